"""What appending looks like at the broker: numbered by an idempotent producer, compressed, many appends in a batch."""

import asyncio
import random

import pytest

from rollcall.eventlog import Record
from tests.kafka.broker.batches import batches_of
from tests.kafka.broker.java import JavaBroker
from tests.kafka.place import KafkaPlace, small

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_batches_are_numbered_and_compressed_as_the_settings_say(killable: JavaBroker, compression: str) -> None:
    place = KafkaPlace(killable.address, small(partitions=1, compression=compression))
    log = await place.open()
    try:
        for _ in range(3):
            await log.append(place.consumed.name, [Record(b"again and " * 1000)])
    finally:
        await log.close()
    found = await asyncio.to_thread(batches_of, killable, place.consumed.name)
    assert [batch.codec for batch in found] == [compression] * 3
    assert [batch.sequence for batch in found] == [0, 1, 2]
    [producer] = {batch.producer for batch in found}
    assert producer >= 0


async def test_concurrent_appends_share_batches(killable: JavaBroker) -> None:
    place = KafkaPlace(killable.address, small())
    noise = random.Random(1)
    log = await place.open()
    try:
        records = [[Record(noise.randbytes(200), str(number).encode())] for number in range(200)]
        await asyncio.gather(*(log.append(place.consumed.name, one) for one in records))
        assert (await log.state(place.consumed.name)).records == 200
    finally:
        await log.close()
    found = await asyncio.to_thread(batches_of, killable, place.consumed.name)
    assert sum(batch.records for batch in found) == 200
    assert len(found) <= 20  # three partitions, a first batch for each, and what gathered meanwhile
