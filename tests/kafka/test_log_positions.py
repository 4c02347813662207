"""Several consumers of a group that find another warehouse read each partition again, once, and miss nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, LogPositions
from rollcall.eventlog import EventLog, Record
from rollcall.records import encode
from rollcall.settings import ConsumerSettings
from rollcall.warehouse import Warehouse
from tests.facts import SITES, fact, fresh_warehouse
from tests.kafka.place import KafkaPlace

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]

COUNT = 90
QUICK = ConsumerSettings(batch_records=10, batch_seconds=0.05, backoff_max=0.2)


async def append(place: KafkaPlace, log: EventLog, numbers: range) -> None:
    facts = [fact(f"history:{n}", "2026-11-02T10:00:00", account_id=f"account{n}") for n in numbers]
    records = [Record(encode(one), one.event_key.encode()) for one in facts]
    await log.append(place.consumed.name, records)


async def consume(place: KafkaPlace, logs: Sequence[EventLog], warehouse: Warehouse) -> None:
    """Consume with one consumer a log, all begun at the same moment, until nothing is left."""
    stop, topic = asyncio.Event(), place.consumed.name
    running = [
        asyncio.create_task(
            Consumer(
                Source(log, topic, "warehouse", place.letters.name),
                ActivityWriter(warehouse, SITES),
                QUICK,
                positions=LogPositions(warehouse, topic),
            ).run(stop)
        )
        for log in logs
    ]
    async with asyncio.timeout(120):
        while (await logs[0].state(topic)).lag.get("warehouse") != 0 or await unread(place, logs[0], warehouse):
            assert not any(task.done() for task in running)
            await asyncio.sleep(0.1)
    stop.set()
    await asyncio.gather(*running)


async def unread(place: KafkaPlace, log: EventLog, warehouse: Warehouse) -> bool:
    state = await log.state(place.consumed.name)
    return bool(await LogPositions(warehouse, place.consumed.name).mismatch(state.positions["warehouse"]))


async def keys(warehouse: Warehouse) -> set[str]:
    return {row["event_key"] for row in await warehouse.query("SELECT event_key FROM activity FINAL")}


async def test_two_consumers_at_once_with_an_empty_warehouse(place: KafkaPlace, tmp_path: Path) -> None:
    logs = [await place.open() for _ in range(2)]
    try:
        await append(place, logs[0], range(COUNT))
        async with fresh_warehouse(tmp_path / "one") as warehouse:
            with capture_logs() as lines:
                await consume(place, logs, warehouse)
            assert await keys(warehouse) == {f"history:{n}" for n in range(COUNT)}
            assert [line for line in lines if "read again" in line["event"]] == []
        await append(place, logs[0], range(COUNT, COUNT + 6))
        async with fresh_warehouse(tmp_path / "two") as warehouse:
            with capture_logs() as lines:
                await consume(place, logs, warehouse)
            assert await keys(warehouse) == {f"history:{n}" for n in range(COUNT + 6)}
            again = [line["records"] for line in lines if "read again" in line["event"]]
            assert sum(again) == COUNT
            series = await warehouse.query("SELECT partition, uniqExact(series) AS n FROM log_positions GROUP BY 1")
            assert {row["partition"]: row["n"] for row in series} == {0: 1, 1: 1, 2: 1}
    finally:
        for log in logs:
            await log.close()
