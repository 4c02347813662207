"""A server's database that is exchanged under a running consumer is noticed, and gets all that the log has."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers import loop
from rollcall.eventlog import EventLog, open_log
from rollcall.warehouse import Warehouse, open_warehouse

from ..facts import migrated
from ..warehouse.servers import StandIn, stand_in
from .test_log_positions import ACTIVITY, LETTERS, append, consumer, keys, truth

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def database(server: StandIn, name: str) -> AsyncIterator[Warehouse]:
    """A database of the server with all tables, made if it is not there."""
    warehouse = await open_warehouse(server.address("default"), "a test")
    await warehouse.command(f"CREATE DATABASE IF NOT EXISTS {name}")
    await warehouse.close()
    async with migrated(server.address(name)) as found:
        yield found


@asynccontextmanager
async def consuming(folder: Path, server: StandIn) -> AsyncIterator[tuple[EventLog, Warehouse]]:
    """A consumer that runs, on a database of the server that is named `one`."""
    log = await open_log(f"sqlite://{folder}/events.db", [ACTIVITY, LETTERS])
    async with database(server, "one") as warehouse:
        stop = asyncio.Event()
        running = asyncio.create_task(consumer(log, warehouse).run(stop))
        try:
            yield log, warehouse
        finally:
            stop.set()
            await running
            await log.close()


async def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.05)


async def written(log: EventLog, warehouse: Warehouse, *numbers: range) -> None:
    """Wait until all of the log is committed, and see that the warehouse has it."""

    async def done() -> bool:
        state = await log.state(ACTIVITY.name)
        [row] = await warehouse.query("SELECT uniqExact(event_key) AS facts FROM activity")
        return state.lag.get("warehouse") == 0 and row["facts"] == sum(map(len, numbers))

    await until(done)
    assert await keys(warehouse) == truth(*numbers)


@pytest.mark.parametrize("idle", [False, True], ids=["with the next record", "while none comes"])
async def test_another_database_under_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    if idle:
        monkeypatch.setattr(loop, "_LOOK_SECONDS", 0.2)
    with stand_in(tmp_path / "server") as server, capture_logs() as logs:
        async with consuming(tmp_path, server) as (log, warehouse):
            await append(log, range(100))
            await written(log, warehouse, range(100))
            await warehouse.command("DROP DATABASE one SYNC")
            async with database(server, "one"):
                pass
            if not idle:
                await append(log, range(100, 103))
            await written(log, warehouse, range(100 if idle else 103))
    [told] = [line for line in logs if "read again from its beginning" in line["event"]]
    assert "another warehouse, or an empty one" in told["cause"]
    assert any("another one than before" in line["event"] for line in logs)


async def test_an_older_state_of_the_database(tmp_path: Path) -> None:
    with stand_in(tmp_path / "server") as server, capture_logs() as logs:
        async with consuming(tmp_path, server) as (log, warehouse):
            await append(log, range(50))
            await written(log, warehouse, range(50))
            server.kill()
            shutil.copytree(tmp_path / "server", tmp_path / "backup", symlinks=True)
            server.start()
            await append(log, range(50, 80))
            await written(log, warehouse, range(80))
            server.kill()
            shutil.rmtree(tmp_path / "server")
            shutil.copytree(tmp_path / "backup", tmp_path / "server", symlinks=True)
            server.start()
            await append(log, range(80, 90))
            await written(log, warehouse, range(90))
    [told] = [line for line in logs if "read again from its beginning" in line["event"]]
    assert "older than the positions" in told["cause"]


async def test_the_same_database_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOOK_SECONDS", 0.01)
    with stand_in(tmp_path / "server") as server, capture_logs() as logs:
        async with consuming(tmp_path, server) as (log, warehouse):
            for upto in (30, 60, 90):
                await append(log, range(upto - 30, upto))
                await written(log, warehouse, range(upto))
            server.kill()
            server.start()
            await append(log, range(90, 100))
            await written(log, warehouse, range(100))
    assert not [line for line in logs if "another one" in line["event"] or "read again" in line["event"]]
