"""The warehouse refuses inserts, hangs or dies: webhooks go on being taken, the lag grows, and everybody says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from rollcall.warehouse import open_warehouse
from tests.kafka.installation import OnKafka
from tests.kafka.report import Report
from tests.kafka.underload import under_load
from tests.rounds import Rounds
from tests.warehouse.servers import StandIn

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

SECONDS = 60.0
"""Of an outage in a soak; in the short form it ends once everybody has said so."""

LAGGING = 200
"""Records."""

Fault = Callable[[StandIn], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def refusing(server: StandIn) -> AsyncIterator[None]:
    """The engine refuses inserts into a table of so many parts, as it does when merges fall behind."""
    warehouse = await open_warehouse(server.url, "a test")
    try:
        await warehouse.command("ALTER TABLE activity MODIFY SETTING parts_to_throw_insert = 1")
        yield
        await warehouse.command("ALTER TABLE activity RESET SETTING parts_to_throw_insert")
    finally:
        await warehouse.close()


@asynccontextmanager
async def hanging(server: StandIn) -> AsyncIterator[None]:
    server.hang()
    try:
        yield
    finally:
        server.go_on()


@asynccontextmanager
async def dead(server: StandIn) -> AsyncIterator[None]:
    server.kill()
    yield
    await asyncio.to_thread(server.start)


async def troubles(client: httpx.AsyncClient, on_server: OnKafka) -> dict[str, str]:
    """What the consumer's /readyz says is wrong."""
    answer = await client.get(f"{on_server.consumer_url}/readyz")
    found = {name: state for name, state in answer.json().items() if state != "ok"}
    assert answer.status_code == (httpx.codes.SERVICE_UNAVAILABLE if found else httpx.codes.OK)
    return found


async def outage(on_server: OnKafka, server: StandIn, report: Report, rounds: Rounds, name: str, fault: Fault) -> None:
    await asyncio.to_thread(on_server.begin)
    async with httpx.AsyncClient(timeout=30) as client, under_load(on_server, report) as load:
        for number in rounds():
            await load.until_accepted(50)
            async with asyncio.timeout(60):
                while not await on_server.consumer_answers() or await troubles(client, on_server):
                    await asyncio.sleep(0.1)
            with load.outage(f"the warehouse {name} ({number})"):
                async with fault(server), asyncio.timeout(60 + SECONDS):
                    while await on_server.facts_waiting(on_server.consumer_url) < LAGGING or not await troubles(
                        client, on_server
                    ):
                        await asyncio.sleep(0.1)
                    await asyncio.sleep(SECONDS if rounds.long else 0)
                    told = await troubles(client, on_server)
                    assert (
                        f"{on_server.topic_prefix}.activity waits" in told.get("consumers", "") or "warehouse" in told
                    )
                    assert (await client.get(f"{on_server.url}/readyz")).status_code == httpx.codes.OK
            await load.until_accepted(50)
    assert load.refused == 0


async def test_the_warehouse_refuses_inserts(
    on_server: OnKafka, server: StandIn, report: Report, rounds: Rounds
) -> None:
    await outage(on_server, server, report, rounds, "refuses inserts", refusing)


async def test_the_warehouse_hangs(on_server: OnKafka, server: StandIn, report: Report, rounds: Rounds) -> None:
    await outage(on_server, server, report, rounds, "hangs", hanging)


async def test_the_warehouse_is_killed_and_restarted(
    on_server: OnKafka, server: StandIn, report: Report, rounds: Rounds
) -> None:
    await outage(on_server, server, report, rounds, "killed and restarted", dead)
