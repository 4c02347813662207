"""What the brokers removed before it was read is told and counted, once; and only that."""

import asyncio
import random
from collections.abc import Iterable

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from rollcall.eventlog import Record
from rollcall.eventlog.kafka.offsets import OffsetGaps
from tests.eventlog.contract import read_all, texts
from tests.kafka.administrator import remove_before
from tests.kafka.broker.choosing import Chosen
from tests.kafka.place import KafkaPlace, small

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]

ONE = small(partitions=1)


@pytest.fixture
def place(kafka: Chosen) -> KafkaPlace:
    return KafkaPlace(kafka.address, ONE)


@pytest.fixture
def admin(kafka: Chosen) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.address})


def counted(topic: str) -> float:
    found = REGISTRY.get_sample_value("rollcall_log_lost_records_total", {"topic": topic})
    assert found is not None
    return found


def numbered(numbers: Iterable[int]) -> list[Record]:
    return [Record(str(number).encode()) for number in numbers]


async def test_records_that_went_while_no_consumer_was_there(place: KafkaPlace, admin: AdminClient) -> None:
    topic = place.consumed.name
    log = await place.open()
    try:
        await log.append(topic, numbered(range(10)))
        reader = await log.reader(topic, "group")
        await reader.commit(await reader.read(3, 10))
        await reader.close()
        remove_before(admin, topic, 0, 7)
        for unread in (["7", "8", "9"], []):  # told once, not whenever somebody joins
            with capture_logs() as lines:
                reader = await log.reader(topic, "group")
                entries = await reader.read(10, 1.0)
            assert texts(entries) == unread
            await reader.commit(entries)
            await reader.close()
            told = [line for line in lines if line["log_level"] == "error"]
            assert [(one["topic"], one["partition"], one["records"]) for one in told] == (
                [(topic, 0, 4)] * bool(unread)
            )
            assert counted(topic) == 4
    finally:
        await log.close()


async def test_all_went_and_nothing_came_since(place: KafkaPlace, admin: AdminClient) -> None:
    """There is nothing to commit, and yet the loss is told once."""
    topic = place.consumed.name
    log = await place.open()
    try:
        await log.append(topic, numbered(range(5)))
        await (await log.reader(topic, "group")).close()
        remove_before(admin, topic, 0, 5)
        for _ in range(2):
            await (await log.reader(topic, "group")).close()
            assert counted(topic) == 5
        assert (await log.state(topic)).lag == {"group": 0}
    finally:
        await log.close()


async def test_records_that_went_while_a_consumer_lagged(place: KafkaPlace, admin: AdminClient) -> None:
    topic = place.consumed.name
    noise = random.Random(1)
    log = await place.open()
    try:
        # A client fetches 1 MiB of a partition ahead: the first records are with it when the others go.
        await log.append(topic, [Record(noise.randbytes(600_000)) for _ in range(8)])
        reader = await log.reader(topic, "group")
        first = await reader.read(1, 10)
        await reader.commit(first)
        remove_before(admin, topic, 0, 6)
        found = [*first, *await read_all(reader, 1)]
        while found[-1].offset < 7:
            found += await reader.read(1, 10)
        unread = 8 - len(found)
        assert unread > 0
        assert counted(topic) == 0  # a reader that dies now leaves it to the next one to tell
        await reader.rewind()
        again = [await reader.read(1, 10)]
        while again[-1][-1].offset < 7:
            again.append(await reader.read(1, 10))
        with capture_logs() as lines:
            for entries in again:
                await reader.commit(entries)
        # What was read before the rewind and went meanwhile was not done either.
        lost = again[0][0].offset - 1
        assert lost == 5
        [told] = [line for line in lines if line["log_level"] == "error"]
        assert (told["topic"], told["partition"], told["records"]) == (topic, 0, lost)
        assert counted(topic) == lost
        await reader.close()
        await (await log.reader(topic, "group")).close()
        assert counted(topic) == lost
    finally:
        await log.close()


async def test_what_begins_nobody_knew_where_has_no_first_gap() -> None:
    class Told:
        async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(tps, 105)

    tp, other = TopicPartition("topic", 0), TopicPartition("topic", 1)
    gaps = OffsetGaps()
    gaps.begin(unknown={tp})
    gaps.look(tp, 0, 100)
    assert await gaps.losses(Told(), {tp: 101}) == {}
    gaps.look(tp, 101, 105)
    gaps.look(other, 3, 4)
    assert await gaps.losses(Told(), {tp: 104}) == {}  # what follows it is not done yet
    assert await gaps.losses(Told(), {tp: 105, other: 4}) == {tp: 4, other: 1}
    gaps.settle({tp: 105})
    assert await gaps.losses(Told(), {tp: 106, other: 4}) == {other: 1}


async def test_a_stranger_with_transactions_is_no_loss(place: KafkaPlace, kafka: Chosen) -> None:
    """The end of a transaction takes an offset that nobody reads."""
    topic = place.consumed.name
    log = await place.open()
    try:
        await log.append(topic, numbered([0]))
        stranger = Producer({"bootstrap.servers": kafka.address, "transactional.id": topic})
        stranger.init_transactions(30)
        stranger.begin_transaction()
        stranger.produce(topic, b"1")
        stranger.commit_transaction(30)
        async with asyncio.timeout(30):
            while (await log.state(topic)).records < 3:
                await asyncio.sleep(0.05)
        await log.append(topic, numbered([2]))
        reader = await log.reader(topic, "group")
        entries = [(await reader.read(1, 10))[0] for _ in range(3)]
        assert [entry.offset for entry in entries] == [0, 1, 3]
        for entry in entries:
            await reader.commit([entry])
        assert counted(topic) == 0
    finally:
        await log.close()
