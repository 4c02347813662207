"""Reading a topic outside of any group."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry
from rollcall.eventlog.kafka.connection import Connection
from rollcall.eventlog.kafka.ending import end_consumer
from rollcall.eventlog.kafka.entries import entries_of
from rollcall.eventlog.kafka.trouble import within

_AT_ONCE = 1000
_LEAVE_SECONDS = 5.0


async def scan(connection: Connection, topic: str) -> AsyncIterator[Entry]:
    """Iterate over the records that a topic holds now; partitions are interleaved.

    Raises:
        LogUnavailableError: The brokers do not give them.
    """
    patience = connection.settings.request_timeout
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **connection.arguments())
    try:
        async with within(2 * patience, f"looking into {topic}"):
            await consumer.start()
            left = await _assigned(consumer, topic)
        while left:
            async with within(patience + 1.0, f"reading {topic}"):
                found = await consumer.getmany(timeout_ms=round(patience * 1000), max_records=_AT_ONCE)
            for entry in entries_of(found):
                if entry.offset < left.get(TopicPartition(topic, entry.partition), 0):
                    yield entry
            for tp in list(left):
                # Not the last entry's offset: the end may be a record that is gone, or a marker.
                if await consumer.position(tp) >= left[tp]:
                    del left[tp]
            if left and not found:
                raise LogUnavailableError(f"Kafka has records of {topic} but gave none in {patience:g} s")
    finally:
        await end_consumer(consumer, _LEAVE_SECONDS)


async def _assigned(consumer: AIOKafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    """Take all partitions that hold records; return where each ends."""
    partitions = await consumer._client._wait_on_metadata(topic)
    tps = [TopicPartition(topic, partition) for partition in partitions]
    first = await consumer.beginning_offsets(tps)
    last = await consumer.end_offsets(tps)
    holding = {tp: last[tp] for tp in tps if last[tp] > first[tp]}
    consumer.assign(list(holding))
    for tp in holding:
        consumer.seek(tp, first[tp])
    return holding
