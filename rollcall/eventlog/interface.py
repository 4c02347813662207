"""What every event log does, whichever engine keeps it.

Records are bytes on named topics. Appending is durable when it returns. A consumer group reads every record of a
topic at least once, from where it last committed. A log and its readers belong to the event loop they were opened
on. A topic that the log was not opened with is a ValueError everywhere.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Topic:
    """A stream of records.

    Attributes:
        name: Full name, such as ``rollcall.activity``.
        kept_for_ms: Age at which retention may remove a record.
        kept_bytes: Size (of the values) above which retention removes the oldest records; 0 for no limit.
        consumed: Whether a consumer group must have committed a record before retention may remove it. A
            topic that is consumed but has no group yet keeps everything.
    """

    name: str
    kept_for_ms: int
    kept_bytes: int = 0
    consumed: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """A record to append: ``key`` spreads load and keeps order among equal keys where a log has partitions."""

    value: bytes
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as read: ``position`` names its place for people, such as ``rollcall.activity/0@17``."""

    value: bytes
    partition: int
    offset: int
    position: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a group goes on in a partition.

    Attributes:
        partition: Its number.
        offset: What the group reads next.
        metadata: What was committed beside it; empty when nothing was.
    """

    partition: int
    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class TopicState:
    """How a topic stands.

    Attributes:
        records: Records kept.
        bytes: The bytes of their values.
        lag: Each group's lag in records.
        positions: What each group has committed.
        end: The offset that the next record gets, of several partitions the sum. Less the records kept, it moves only
            when retention removes some.
    """

    records: int
    bytes: int
    lag: dict[str, int]
    positions: dict[str, list[Position]] = field(default_factory=dict)
    end: int = 0


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a topic that is not as the settings say, but can be lived with.

    Attributes:
        topic: Its full name.
        found: What was found, in a sentence.
        remedy: What to do about it; empty where it could only not be looked at.
    """

    topic: str
    found: str
    remedy: str = ""


class Reader(Protocol):
    """One member of a consumer group, reading one topic.

    Members of a group together read every record at least once; a log may let each of them read all.
    """

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        """Return the next records, after those returned before, committed or not.

        Args:
            max_records: At most this many; fewer when they are large, at least one when there is one.
            max_wait: Seconds to wait for the first record; an empty answer when none came.

        Raises:
            LogUnavailableError: The log cannot be read now, or is closed; the position is unchanged, as it is
                when the call is cancelled.
        """
        ...

    async def commit(self, entries: Sequence[Entry], metadata: Mapping[int, str] | None = None) -> None:
        """Record durably that the group is done with these entries and all before them in their partitions.

        Never moves a group backwards. No entries, no effect.

        Args:
            entries: What the group is done with.
            metadata: What to keep beside the positions, by partition. Partitions without any, and those that were not
                accepted, are left out: their entries are read again. None keeps what is there, for every partition.

        Raises:
            LogUnavailableError: Not recorded; the entries will be read again after a restart.
        """
        ...

    def unaccepted(self) -> Sequence[Position]:
        """Return the positions of this member's partitions that came to it and were neither accepted nor restarted."""
        ...

    def accept(self, position: Position) -> None:
        """Go on from a position of `unaccepted`."""
        ...

    async def restart(self, position: Position, metadata: str) -> int:
        """Send the group back to the oldest record kept of a partition, durably, instead of accepting its position.

        What was read of the partition before is read again, and no commit of other members under way moves the group
        forward. A partition that is another member's by now is left alone.

        Args:
            position: One of `unaccepted`.
            metadata: What to keep beside the new position.

        Returns:
            How many records are read again.

        Raises:
            LogUnavailableError: Nothing is promised; call it again.
        """
        ...

    async def rewind(self) -> None:
        """Go back to the group's committed position: what was read since then is read again.

        Raises LogUnavailableError; the position is then unchanged.
        """
        ...

    async def close(self) -> None:
        """Leave the group; what was not committed will be read again."""
        ...


class EventLog(Protocol):
    """A durable log of records, shared by several processes."""

    @property
    def remarks(self) -> Sequence[Remark]:
        """What was found when the log was opened that somebody should look at."""
        ...

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        """Append all records or none, durably: when this returns they survive a crash of process and machine.

        Concurrent calls share one commit. A call that is cancelled may still have appended.

        Raises:
            LogUnavailableError: Nothing is promised; sending again is harmless because facts have identity.
            TypeError: A value is not bytes; nothing of this call was appended.
        """
        ...

    async def reader(self, topic: str, group: str) -> Reader:
        """Join a consumer group on a topic; a new group starts at the oldest record kept.

        From here on retention waits for the group. Raises LogUnavailableError.
        """
        ...

    def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        """Iterate over the records kept, oldest first, up to the newest when iteration begins.

        Outside of any group; used to look at dead letters.

        Args:
            topic: Its full name.
            begin: The first offset to read of a partition; of those not in it, all is read.

        Raises:
            LogUnavailableError: The log cannot be read.
        """
        ...

    async def state(self, topic: str) -> TopicState:
        """Return size and lag of a topic. Raises LogUnavailableError."""
        ...

    async def retain(self) -> int:
        """Remove what every topic's retention allows; return how many records went.

        0 where the log's servers do so by themselves. Raises LogUnavailableError.
        """
        ...

    async def check(self) -> None:
        """Raise LogUnavailableError unless the log can take records now."""
        ...

    async def close(self) -> None:
        """Finish what was appended and release everything."""
        ...
