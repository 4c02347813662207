"""Kafka's records as entries of the log."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from rollcall.eventlog.interface import Entry


def entry_of(record: Any) -> Entry:
    """Return a record as an entry; one without a value, which Rollcall never writes, has an empty one."""
    position = f"{record.topic}/{record.partition}@{record.offset}"
    return Entry(record.value or b"", record.partition, record.offset, position)


def entries_of(found: Mapping[TopicPartition, Sequence[Any]]) -> list[Entry]:
    """Return what a consumer got, partition by partition."""
    return [entry_of(record) for records in found.values() for record in records]


def following_of(topic: str, entries: Iterable[Entry]) -> dict[TopicPartition, int]:
    """Return, for each partition, the offset after the last of these entries."""
    following: dict[TopicPartition, int] = {}
    for entry in entries:
        tp = TopicPartition(topic, entry.partition)
        following[tp] = max(following.get(tp, 0), entry.offset + 1)
    return following
