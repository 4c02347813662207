"""Some partitions have no leader: the others are read all the same, and appending works again once they have one."""

import asyncio
from contextlib import suppress

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import EventLog, Reader
from tests.eventlog.contract import texts
from tests.kafka.broker.cluster import Cluster
from tests.kafka.place import COUNT, KafkaPlace, filled, small

pytestmark = pytest.mark.anyio


async def read_until(log: EventLog, reader: Reader, count: int) -> set[str]:
    """Read until so many have come; what is committed is not read again."""
    seen: set[str] = set()
    async with asyncio.timeout(60):
        while len(seen) < count:
            with suppress(LogUnavailableError):
                entries = await reader.read(100, 0.5)
                seen.update(texts(entries))
                await reader.commit(entries)
    return seen


async def test_the_other_partitions_are_read(cluster: Cluster) -> None:
    settings = small(partitions=6, request_timeout=2)  # one copy of each
    place = KafkaPlace(cluster.address, settings)
    log = await place.open()
    topic = place.consumed.name
    try:
        everything = await filled(log, topic)
        begun = await log.reader(topic, "group")  # so that the group is known
        await begun.close()
        cluster.brokers[0].kill()
        try:
            reader = await joined(log, topic)
            seen = await read_until(log, reader, COUNT // 3)
        finally:
            await asyncio.to_thread(cluster.brokers[0].start)
        assert seen < everything
        seen |= await read_until(log, reader, COUNT - len(seen))
        assert seen == everything
        await reader.close()
    finally:
        await log.close()


async def joined(log: EventLog, topic: str) -> Reader:
    """Join; the coordinator may be moving."""
    async with asyncio.timeout(60):
        while True:
            with suppress(LogUnavailableError):
                return await log.reader(topic, "group")


async def test_a_batch_that_fails_unseen_does_not_fail_the_next(cluster: Cluster) -> None:
    """It leaves a gap in the producer's numbers, after which Kafka refuses what comes next."""
    place = KafkaPlace(cluster.address, small(partitions=6, request_timeout=2))
    log = await place.open()
    topic = place.consumed.name
    try:
        everything = await filled(log, topic)
        producer = log._producer._supervisor._producer
        cluster.brokers[1].kill()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):  # a webhook's patience
                    await filled(log, topic)
            async with asyncio.timeout(60):
                while log._producer._supervisor._producer is producer:
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(cluster.brokers[1].start)
        await asyncio.to_thread(cluster.wait_until_led, topic)
        assert await filled(log, topic) == everything
    finally:
        await log.close()
