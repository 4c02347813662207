"""Queries that take too much: one that looks at no clock is ended with the engine, the largest of many by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from console.commands.up import run_everything
from console.engine import engine_process
from console.sqldoor import DoorLimits
from rollcall.settings import load_settings

from .installation import PATIENCE, Installation
from .oracle import assert_stored
from .webhooks import Crowd

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

BLIND = "SELECT hasAll(range(10000000), range(10000000))"
"""Takes hours, and looks at no clock."""

DEADLINE = 1.0
WITHIN = 1.5
"""Seconds past the deadline by which it is seen in /readyz: told within one, and the asking takes its time."""

CANCELLED, TIMEOUT = "394", "159"


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Installation]:
    """An `up` whose front is this process."""
    installation = Installation(folder)
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(run_everything(load_settings(installation.config), stop, lambda _: ready.set()))
    try:
        await ready.wait()
        await comes(installation, lambda told: told.status_code == 200)
        yield installation
    finally:
        stop.set()
        await running


async def comes(up: Installation, true: Callable[[httpx.Response], bool]) -> httpx.Response:
    """Look at /readyz until it says that."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.timeout(PATIENCE):
        while not true(told := await client.get(f"{up.url}/readyz")):
            await asyncio.sleep(0.05)
    return told


async def metric(up: Installation, name: str) -> float:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        lines = (await client.get(f"{up.url}/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


HOARDING = "SELECT uniqExact(number % 4000000) FROM numbers(100000000000)"
"""Holds 65 MiB until its deadline."""


async def code_of(up: Installation, query: str) -> str:
    """ClickHouse's code of a query that fails."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        url = f"http://127.0.0.1:{up.sql_port}"
        answer = await client.post(url, content=query, auth=("dashboards", up.sql_token))
    return answer.headers["x-clickhouse-exception-code"]


async def test_queries_that_hold_too_much_together_lose_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = 180 * 1024**2
    limits = DoorLimits(seconds=8.0, read_rows=10**12, memory_together=together)
    monkeypatch.setattr(engine_process, "_LIMITS", limits)
    async with up(tmp_path) as running:
        codes = await asyncio.gather(*(code_of(running, HOARDING) for _ in range(4)))
        assert sorted(codes) == [TIMEOUT, TIMEOUT, CANCELLED, CANCELLED]
        alone = await code_of(running, HOARDING)
        assert alone == TIMEOUT


async def ask(client: httpx.AsyncClient, up: Installation) -> None:
    with suppress(httpx.TransportError):  # the engine ends with it
        await client.post(f"http://127.0.0.1:{up.sql_port}", content=BLIND, auth=("dashboards", up.sql_token))


async def test_a_query_that_does_not_end_ends_the_engine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "_LIMITS", DoorLimits(seconds=DEADLINE))
    with capture_logs() as lines:
        async with up(tmp_path) as running, httpx.AsyncClient(trust_env=False, timeout=60) as client:
            crowd = Crowd(running)
            async with crowd.posting():
                while len(crowd.accepted) < 100:  # until all of it is there: front and crowd share an event loop
                    await asyncio.sleep(0.05)
                began = time.monotonic()
                asking = [asyncio.create_task(ask(client, running)) for _ in range(4)]
                told = await comes(running, lambda told: told.json()["queries"] != "ok")
                at_told = time.monotonic() - began
                assert "past the deadline" in told.json()["queries"]
                assert told.status_code == 200
                assert await metric(running, "rollcall_sql_overdue_queries") >= 1.0
                ended = 'rollcall_engine_ends_total{reason="overdue query"}'
                while await metric(running, ended) == 0.0:
                    await asyncio.sleep(0.05)
                at_end = time.monotonic() - began
                back = await comes(running, lambda told: told.status_code == 200)
                at_return = time.monotonic() - began
                print(
                    f"deadline {DEADLINE} s, told {at_told:.1f} s, ended {at_end:.1f} s, back {at_return:.1f} s after"
                )
                assert at_told - DEADLINE < WITHIN
                assert back.json()["queries"] == "ok"
                await asyncio.gather(*asking)
            assert set(crowd.statuses) == {204}
            answer = await asyncio.to_thread(running.sql, "SELECT 1")
            assert answer.text == "1\n"
            assert await metric(running, ended) == 1.0
            assert await metric(running, "rollcall_sql_overdue_queries") == 0.0
            await asyncio.to_thread(running.wait_until_written)
    of_the_engine = [line for line in lines if "engine" in line["event"]]
    assert [line["event"] for line in of_the_engine] == [
        "a query does not stop, so the engine is ended and begun again",
        "the engine ended unexpectedly, begins again",
        "the engine is back",
    ]
    assert [line["log_level"] for line in of_the_engine] == ["error", "error", "info"]
    assert {line["log_level"] for line in lines if line not in of_the_engine} <= {"debug", "info", "warning"}
    assert of_the_engine[1]["seconds"] == 0.0  # ended on purpose: nothing is waited for
    await assert_stored(f"chdb://{tmp_path}/warehouse", crowd.accepted, crowd.sent)
