"""Consumers: a group's reader of one topic, and reading a topic outside of any group."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry, Position
from rollcall.eventlog.kafka._aiokafka import end_consumer, partitions_of
from rollcall.eventlog.kafka.brokers import Connection, unavailable, within
from rollcall.eventlog.kafka.group_member import GroupMember
from rollcall.eventlog.kafka.offsets import entries_of, next_offsets

_NEVER_MS = 24 * 3600 * 1000
"""A consumer that waits for the warehouse keeps its partitions: others would wait for the same warehouse."""

_HEARTBEAT_SECONDS = 1.0
_LEAVE_SECONDS = 5.0
_SILENT_TRIES = 5


def group_id(topic: str, group: str) -> str:
    """Return the name of a group at the brokers: one for each topic, so that topics do not disturb each other."""
    return f"{topic}.{group}"


class KafkaReader:
    """Reads the partitions that its group gives it, for as long as the group does.

    Members of a group share the partitions. When the client gives up, or the group forgets it, the next read joins
    anew.
    """

    def __init__(self, connection: Connection, topic: str, group: str, left: Callable[["KafkaReader"], None]) -> None:
        """Prepare to join; ``left`` is called when the reader closes."""
        self._connection = connection
        self._timeout = connection.settings.request_timeout
        self._topic = topic
        self._group = group
        self._left = left
        self._consumer: AIOKafkaConsumer | None = None
        self._member: GroupMember | None = None
        self._joining = asyncio.Lock()
        self._silent = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def join(self) -> GroupMember:
        """Be a member of the group. Raises LogUnavailableError."""
        async with self._joining:
            self._refuse_when_closed()
            if self._member and self._member.lost:
                self._drop()
            if not self._member:
                self._member = await self._joined()
            return self._member

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        """See `rollcall.eventlog.Reader.read`.

        An empty answer means that there is nothing: the brokers are queried before it is given.
        """
        if max_records < 1:
            raise ValueError("max_records must be at least 1")
        member = await self.join()
        try:
            entries = await self._poll(member, max_records, max_wait)
        except ConsumerStoppedError:
            raise self._closing() from None
        except KafkaError as error:
            raise unavailable(f"reading {self._topic}", error) from error
        except LogUnavailableError:
            self._note_silence(member)
            raise
        self._silent = 0
        if self._closed and not entries:
            raise self._closing()
        return entries

    async def _poll(self, member: GroupMember, max_records: int, max_wait: float) -> list[Entry]:
        """Poll for records, and again for as long as there should be some.

        More than once because partitions that are being shared out anew cut a poll short; that may take as long as the
        group waits for a member that died.
        """
        loop = asyncio.get_running_loop()
        longest = self._timeout + self._connection.settings.session_timeout
        deadline = loop.time() + max_wait + longest
        wait = max_wait
        while not (entries := await member.poll(max_records, wait)) and not self._closed:
            if not await member.behind():
                break
            wait = min(self._timeout, deadline - loop.time())
            if wait <= 0:
                member.lost = True  # the client has stopped fetching; a new one does not
                raise LogUnavailableError(f"Kafka has records of {self._topic} but gave none in {longest:g} s")
        return entries

    async def commit(self, entries: Sequence[Entry], metadata: Mapping[int, str] | None = None) -> None:
        """See `rollcall.eventlog.Reader.commit`. Entries of partitions that were revoked are left out.

        A client whose commits fail again and again is replaced as one that cannot read is: its group may have lost it
        in a way that it does not notice. The new one commits the same.
        """
        self._refuse_when_closed()
        if not entries:
            return
        member = await self.join()
        try:
            await member.commit(next_offsets(self._topic, entries), metadata)
        except LogUnavailableError:
            self._note_silence(member)
            raise
        self._silent = 0

    def unaccepted(self) -> Sequence[Position]:
        """See `rollcall.eventlog.Reader.unaccepted`."""
        return self._member.unaccepted() if self._member else []

    def accept(self, position: Position) -> None:
        """See `rollcall.eventlog.Reader.accept`."""
        if self._member:
            self._member.accept(position)

    async def restart(self, position: Position, metadata: str) -> int:
        """See `rollcall.eventlog.Reader.restart`."""
        member = await self.join()
        try:
            return await member.restart(position, metadata)
        except LogUnavailableError:
            self._note_silence(member)
            raise

    async def rewind(self) -> None:
        """See `rollcall.eventlog.Reader.rewind`."""
        self._refuse_when_closed()
        if self._member:
            await self._member.rewind()

    async def close(self) -> None:
        """See `rollcall.eventlog.Reader.close`."""
        self._closed = True
        self._drop()
        self._left(self)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _joined(self) -> GroupMember:
        settings = self._connection.settings
        # Brokers must hear that partitions were given back before they give a member up, and the client before it gives
        # a broker up.
        rebalance = settings.request_timeout * 0.8
        consumer = AIOKafkaConsumer(
            group_id=group_id(self._topic, self._group),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(settings.session_timeout * 1000),
            heartbeat_interval_ms=round(min(_HEARTBEAT_SECONDS, settings.session_timeout / 3) * 1000),
            rebalance_timeout_ms=round(rebalance * 1000),
            max_poll_interval_ms=_NEVER_MS,
            **self._connection.arguments(),
        )
        self._consumer = consumer
        member = GroupMember(consumer, settings.request_timeout, revoke_timeout=rebalance / 2)
        try:
            async with within(settings.session_timeout + 2 * settings.request_timeout, f"joining {self._group}"):
                await member.join(self._topic)
                await member.behind()  # raises what went wrong with its first partitions
        except BaseException:
            self._drop()
            raise
        return member

    def _drop(self) -> None:
        """Leave the group in the background."""
        consumer, self._consumer, self._member = self._consumer, None, None
        if consumer:
            task = asyncio.create_task(end_consumer(consumer, _LEAVE_SECONDS))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _note_silence(self, member: GroupMember) -> None:
        """The client mends most troubles by itself; when it has not for a long time, start over."""
        self._silent += 1
        if self._silent >= _SILENT_TRIES:
            self._silent = 0
            member.lost = True

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise self._closing()

    def _closing(self) -> LogUnavailableError:
        return LogUnavailableError(f"this reader of {self._topic} is closed")


_SCAN_RECORDS = 1000


async def scan_topic(connection: Connection, topic: str, begin: Mapping[int, int]) -> AsyncIterator[Entry]:
    """Iterate over the records that a topic holds now; partitions are interleaved.

    Args:
        connection: How the brokers are reached.
        topic: Its full name.
        begin: The first offset to read of a partition; of those not in it, all is read.

    Raises:
        LogUnavailableError: The brokers do not give them.
    """
    timeout = connection.settings.request_timeout
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **connection.arguments())
    try:
        async with within(2 * timeout, f"looking into {topic}"):
            await consumer.start()
            left = await _assigned(consumer, topic, begin)
        while left:
            async with within(timeout + 1.0, f"reading {topic}"):
                found = await consumer.getmany(timeout_ms=round(timeout * 1000), max_records=_SCAN_RECORDS)
            for entry in entries_of(found):
                if entry.offset < left.get(TopicPartition(topic, entry.partition), 0):
                    yield entry
            for tp in list(left):
                # Not the last entry's offset: the end may be a record that is gone, or a marker.
                if await consumer.position(tp) >= left[tp]:
                    del left[tp]
            if left and not found:
                raise LogUnavailableError(f"Kafka has records of {topic} but gave none in {timeout:g} s")
    finally:
        await end_consumer(consumer, _LEAVE_SECONDS)


async def _assigned(consumer: AIOKafkaConsumer, topic: str, begin: Mapping[int, int]) -> dict[TopicPartition, int]:
    """Take all partitions that hold records from there on; return where each ends."""
    partitions = await partitions_of(consumer, topic)
    tps = [TopicPartition(topic, partition) for partition in partitions]
    oldest = await consumer.beginning_offsets(tps)
    first = {tp: max(oldest[tp], begin.get(tp.partition, 0)) for tp in tps}
    last = await consumer.end_offsets(tps)
    holding = {tp: last[tp] for tp in tps if last[tp] > first[tp]}
    consumer.assign(list(holding))
    for tp in holding:
        consumer.seek(tp, first[tp])
    return holding
