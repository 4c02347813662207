"""A producer that has failed is replaced, also when nobody waits for it any more; its start belongs to nobody."""

import asyncio
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Record
from rollcall.eventlog.kafka import KafkaLog
from tests.kafka.broker.java import JavaBroker
from tests.kafka.place import KafkaPlace, small

pytestmark = pytest.mark.anyio


@pytest.fixture
def impatient(killable: JavaBroker) -> KafkaPlace:
    return KafkaPlace(killable.address, small(request_timeout=1, append_timeout=1.5, session_timeout=2))


async def append(log: KafkaLog, place: KafkaPlace, seconds: float) -> bool:
    """Append with the patience of a webhook."""
    with suppress(TimeoutError, LogUnavailableError):
        async with asyncio.timeout(seconds):
            await log.append(place.consumed.name, [Record(b"x")])
            return True
    return False


async def test_a_start_goes_on_although_every_append_gives_up(
    place: KafkaPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await place.open()
    start, begun = AIOKafkaProducer.start, 0

    async def slow(producer: AIOKafkaProducer) -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(1.0)
        await start(producer)

    try:
        producing = log._producer._supervisor
        assert producing._producer
        monkeypatch.setattr(AIOKafkaProducer, "start", slow)
        producing.replace(producing._producer, "a test")
        async with asyncio.timeout(30):
            while not await append(log, place, 0.2):
                pass
        assert begun == 1
    finally:
        await log.close()


async def test_a_producer_that_hears_no_more_of_the_brokers_is_replaced(
    impatient: KafkaPlace, killable: JavaBroker
) -> None:
    log = await impatient.open()
    try:
        assert await append(log, impatient, 5.0)
        deaf = log._producer._supervisor._producer
        assert deaf
        deaf.client._sync_task.cancel()
        await asyncio.to_thread(killable.kill)
        await append(log, impatient, 0.5)
        await asyncio.to_thread(killable.start)
        async with asyncio.timeout(30):
            while not await append(log, impatient, 5.0):
                pass
    finally:
        await log.close()


async def test_a_connection_that_was_reset_a_moment_ago_is_a_broken_one(place: KafkaPlace) -> None:
    """Until aiokafka has noticed, uvloop raises what aiokafka does not expect of a connection."""
    log = await place.open()
    try:
        producer = log._producer._supervisor._producer
        assert producer
        connection = next(iter(producer.client._conns.values()))
        transport = connection._writer.transport
        transport.abort()
        while "closed=True" not in repr(transport):  # uvloop tells it nowhere else
            await asyncio.sleep(0)
        assert connection._writer  # aiokafka has not noticed
        with pytest.raises(KafkaConnectionError, match="broken"):
            connection.send(MetadataRequest([]))
        assert await append(log, place, 10.0)
    finally:
        await log.close()
