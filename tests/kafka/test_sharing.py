"""8 consumers share 12 partitions while members join, leave and die: each record is written, hardly any twice."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.eventlog import EventLog, Record
from tests.kafka.broker.choosing import Chosen
from tests.kafka.place import KafkaPlace, small
from tests.kafka.report import Report
from tests.kafka.sharers import Sharers

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real"), pytest.mark.timeout(170), pytest.mark.soak]

PARTITIONS = 12
MEMBERS = 8
BATCH = 50


@pytest.fixture
def shared(kafka: Chosen) -> KafkaPlace:
    return KafkaPlace(kafka.address, small(partitions=PARTITIONS))


@pytest.fixture
def sharers(shared: KafkaPlace, tmp_path: Path) -> Iterator[Sharers]:
    made = Sharers(tmp_path, shared.address, shared.consumed.name, BATCH)
    yield made
    made.end()


async def appending(log: EventLog, topic: str, appended: set[str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        keys = [f"{len(appended) + n:07}" for n in range(20)]
        await log.append(topic, [Record(key.encode(), key.encode()) for key in keys])
        appended.update(keys)
        await asyncio.sleep(0.02)


async def coming_and_going(place: KafkaPlace, sharers: Sharers, report: Report, changes: int, rest: float) -> None:
    chance = random.Random(42)
    log = await place.open()
    topic, appended, stop = place.consumed.name, set[str](), asyncio.Event()
    for _ in range(MEMBERS):
        sharers.join()
    sending = asyncio.create_task(appending(log, topic, appended, stop))
    async with asyncio.timeout(60):
        while sharers.writers() < MEMBERS // 2:
            await asyncio.sleep(0.1)
    for turn in range(changes):
        leave = sharers.kill if turn % 2 else sharers.leave
        await asyncio.to_thread(leave, chance.randrange(len(sharers.running)))
        sharers.join()
        await asyncio.sleep(chance.uniform(0.0, rest))
    stop.set()
    await sending
    async with asyncio.timeout(90):
        while (await log.state(topic)).lag["sharers"]:
            await asyncio.sleep(0.1)
    await asyncio.to_thread(sharers.leave_all)
    await log.close()

    written = sharers.written()
    twice = sum(written.values()) - len(written)
    report.say(
        f"{MEMBERS} consumers on {PARTITIONS} partitions: {len(appended)} records, {sharers.kills} killed, "
        f"{sharers.changes} joined or left, {twice} records written twice"
    )
    assert set(written) == appended
    # A member that dies leaves one batch uncommitted. One that is told to hand over commits first, unless it is slow.
    assert twice <= 2 * sharers.kills * BATCH


async def test_8_consumers_on_12_partitions_joining_and_leaving(
    shared: KafkaPlace, sharers: Sharers, report: Report
) -> None:
    await coming_and_going(shared, sharers, report, changes=4, rest=1.0)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_8_consumers_on_12_partitions_joining_and_leaving_100_times(
    shared: KafkaPlace, sharers: Sharers, report: Report
) -> None:
    await coming_and_going(shared, sharers, report, changes=100, rest=5.0)
