"""A consumer that has to stop: told by the check, and the end of `consume`; `up` carries on without it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from consumers.supervisor import Supervisor
from rollcall.errors import RollcallError, SchemaError, TooMuchPoisonError
from rollcall.eventlog import Record
from rollcall.runtime import opened_with_warehouse
from rollcall.settings import load_settings

from .conftest import Shell

pytestmark = pytest.mark.anyio


@pytest.fixture
async def poisoned(shell: Shell) -> AsyncIterator[Supervisor]:
    settings = load_settings(shell.config)
    async with opened_with_warehouse(settings, "a test") as runtime:
        await runtime.log.append("rollcall.activity", [Record(b"no record")] * 300)
        yield Supervisor(runtime, migrates=True)


async def test_consume_ends_with_the_trouble(poisoned: Supervisor) -> None:
    with pytest.raises(RollcallError, match="not prepared"):
        await poisoned.check()
    with pytest.raises(TooMuchPoisonError, match="300 of the last 300"):
        await poisoned.run(asyncio.Event(), carry_on=False)
    with pytest.raises(RollcallError, match=r"rollcall\.activity stopped"):
        await poisoned.check()


async def test_up_carries_on_until_it_is_told_to_stop(poisoned: Supervisor) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(poisoned.run(stop, carry_on=True))
    async with asyncio.timeout(60):
        await poisoned.prepared.wait()
        while True:
            try:
                await poisoned.check()
            except RollcallError:
                break
            await asyncio.sleep(0.05)
    assert not running.done()
    stop.set()
    with pytest.raises(TooMuchPoisonError):
        await running


async def test_without_migrations_it_names_migrate(shell: Shell) -> None:
    settings = load_settings(shell.config)
    async with opened_with_warehouse(settings, "a test") as runtime:
        with pytest.raises(SchemaError, match="run rollcall migrate"):
            await Supervisor(runtime, migrates=False).run(asyncio.Event(), carry_on=False)
