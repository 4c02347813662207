"""Offsets: Kafka's records as entries of the log, and gaps where records were removed before the group had read them.

By age, by size, or by somebody's hand.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from aiokafka import TopicPartition

from rollcall.eventlog.interface import Entry
from rollcall.logs import logger
from rollcall.metrics import LOG_LOST

_log = logger(__name__)


def entry_of(record: Any) -> Entry:
    """Return a record as an entry; one without a value, which Rollcall never writes, has an empty one."""
    position = f"{record.topic}/{record.partition}@{record.offset}"
    return Entry(record.value or b"", record.partition, record.offset, position)


def entries_of(found: Mapping[TopicPartition, Sequence[Any]]) -> list[Entry]:
    """Return what a consumer got, partition by partition."""
    return [entry_of(record) for records in found.values() for record in records]


def next_offsets(topic: str, entries: Iterable[Entry]) -> dict[TopicPartition, int]:
    """Return, for each partition, the offset after the last of these entries."""
    following: dict[TopicPartition, int] = {}
    for entry in entries:
        tp = TopicPartition(topic, entry.partition)
        following[tp] = max(following.get(tp, 0), entry.offset + 1)
    return following


def show_loss_counter(topic: str) -> None:
    """Show the count from the beginning: Prometheus sees how it grows only from a value that it knows."""
    LOG_LOST.labels(topic)


def report_loss(lost: Mapping[TopicPartition, int]) -> None:
    """Log and count the records that nobody will read any more, by partition."""
    for tp, records in lost.items():
        _log.error(
            "records were removed from the log before they were read",
            topic=tp.topic,
            partition=tp.partition,
            records=records,
            do="rollcall reconcile brings back what REST knows; see Retention in docs/operations.md",
        )
        LOG_LOST.labels(tp.topic).inc(records)


class OffsetGaps:
    """Jumps in the offsets that a member reads, until what follows them is committed.

    The client goes to the oldest record by itself when the next one has been removed. Whether a jump is such a loss
    shows in where the log starts: a producer with transactions, which Rollcall has none of, makes jumps too.
    """

    def __init__(self) -> None:
        self._seen: dict[TopicPartition, list[range]] = {}
        self._unknown: set[TopicPartition] = set()

    def begin(self, unknown: Set[TopicPartition]) -> None:
        """Begin anew, with partitions of which some begin nobody knows where."""
        self._seen.clear()
        self._unknown = set(unknown)

    def look(self, tp: TopicPartition, expected: int, found: int) -> None:
        """Note a jump, if it is one."""
        if found > expected and tp not in self._unknown:
            self._seen.setdefault(tp, []).append(range(expected, found))
        self._unknown.discard(tp)

    def forget(self) -> None:
        """Forget all: what was not committed is read again, by whomever."""
        self._seen.clear()

    async def losses(self, consumer: Any, following: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return how many records before these offsets were removed unread. Raises KafkaError."""
        passed = {
            tp: gaps
            for tp, seen in self._seen.items()
            if tp in following and (gaps := [gap for gap in seen if gap.stop <= following[tp]])
        }
        first = await consumer.beginning_offsets(list(passed)) if passed else {}
        lost = {tp: sum(len(gap) for gap in gaps if gap.start < first[tp]) for tp, gaps in passed.items()}
        return {tp: records for tp, records in lost.items() if records}

    def settle(self, following: Mapping[TopicPartition, int]) -> None:
        """Forget what lies before these offsets."""
        for tp in self._seen.keys() & following.keys():
            self._seen[tp] = [gap for gap in self._seen[tp] if gap.stop > following[tp]]
