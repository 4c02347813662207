"""A member of a consumer group: from joining it to leaving it or losing touch; it listens to the group's rebalances.

Partitions come and go while other members do. What keeps that clean:

* When partitions are to go, the group waits a moment for what was read from them to be committed. What is not
  committed by then is dropped here and read by the next owner.
* A commit reaches only partitions that are owned now, and only forward. One that is on its way when partitions are to
  go is waited for: repeated after the group has moved on, it would overwrite the next owner's position.
* Positions are taken from the brokers whenever partitions come. A group that is new is written down at once, so that
  its lag shows before its first commit; and so is where one goes on whose next records were removed, so that this loss
  is reported once.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry, Position
from rollcall.eventlog.kafka._aiokafka import committed_offsets, has_died, has_leader, is_forgotten
from rollcall.eventlog.kafka.brokers import within
from rollcall.eventlog.kafka.offsets import OffsetGaps, entries_of, report_loss, show_loss_counter
from rollcall.logs import logger

_log = logger(__name__)

_REBALANCE_GRACE = 0.5
"""Seconds a read may take beyond what it was given while partitions are being shared out anew."""


@dataclass(slots=True)
class OwnedPartition:
    """How far an owned partition is committed, what stands beside that, how far it is read, and whether it is accepted.

    See `rollcall.eventlog.Reader.unaccepted`.
    """

    committed: int
    read: int
    metadata: str = ""
    accepted: bool = False


class GroupMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """A member of a group, reading one topic.

    Args:
        consumer: A consumer of the group, not started.
        timeout: Seconds that brokers may take to answer.
        revoke_timeout: Seconds to wait for commits when partitions are to go; less than the group waits for a member.
    """

    def __init__(self, consumer: AIOKafkaConsumer, timeout: float, revoke_timeout: float) -> None:
        self._consumer = consumer
        self._timeout = timeout
        self._revoke_timeout = revoke_timeout
        self._positions: dict[TopicPartition, OwnedPartition] = {}
        self._gaps = OffsetGaps()
        self._ready = asyncio.Event()
        self._settled = asyncio.Event()
        self._committing = asyncio.Lock()
        self._revoking = False
        self._polling: asyncio.Timeout | None = None
        self.lost = False
        """Whether it is past use: a new member has to take over."""

    async def join(self, topic: str) -> None:
        """Join and wait for partitions; there may be none when others have them all. Raises KafkaError."""
        show_loss_counter(topic)
        self._consumer.subscribe([topic], listener=self)
        await self._consumer.start()
        await self._ready.wait()

    async def poll(self, max_records: int, max_wait: float) -> list[Entry]:
        """Return the next records; none when none came in time.

        Nothing is awaited between taking records from the client and returning them, so a cancelled call loses none.
        """
        try:
            async with asyncio.timeout(max_wait + _REBALANCE_GRACE) as self._polling:
                await self._ready.wait()
                if self.lost:
                    return []
                found = await self._consumer.getmany(timeout_ms=round(max_wait * 1000), max_records=max_records)
        except TimeoutError:
            return []
        except KafkaError:
            self.lost = True
            raise
        finally:
            self._polling = None
        return self._track(found)

    async def behind(self) -> bool:
        """Return whether the owned partitions hold records that were not read, and that can be read now.

        They cannot when partitions are to go and wait for the commit of what the caller has in hand.

        Raises:
            LogUnavailableError: The brokers do not say.
        """
        self.lost = self.lost or has_died(self._consumer)
        if self._revoking and not self._settled.is_set():
            return False
        async with within(self._timeout, "looking for new records"):
            await self._ready.wait()
            ends = await self._consumer.end_offsets(self._with_leader(self._positions))
        if self.lost:  # without positions, nothing would look like the end
            raise LogUnavailableError("Kafka's group gave partitions that could not be taken over")
        positions = self._positions
        return any(tp in positions and end > positions[tp].read for tp, end in ends.items())

    async def commit(self, following: Mapping[TopicPartition, int], metadata: Mapping[int, str] | None) -> None:
        """Commit that all before these offsets is done, as far as the partitions are still owned, and accepted.

        Args:
            following: The offset after the last that is done, by partition.
            metadata: See `rollcall.eventlog.Reader.commit`.

        Raises:
            LogUnavailableError: Not known to be recorded.
        """
        async with self._committing:
            positions = self._positions
            owned = {
                tp: offset for tp, offset in following.items() if tp in positions and offset > positions[tp].committed
            }
            if metadata is not None:
                owned = {tp: to for tp, to in owned.items() if positions[tp].accepted and tp.partition in metadata}
            beside = {tp: positions[tp].metadata if metadata is None else metadata[tp.partition] for tp in owned}
            if not owned:
                return
            if not is_forgotten(self._consumer):
                with suppress(_RevokedError):
                    async with within(self._timeout, "committing"):
                        lost = await self._gaps.losses(self._consumer, owned)
                        await self._commit_offsets({tp: (to, beside[tp]) for tp, to in owned.items()})
                    report_loss(lost)
            self._gaps.settle(owned)
            # Where the group has moved on there is nothing to wait for either.
            for tp, offset in owned.items():
                positions[tp].committed, positions[tp].metadata = offset, beside[tp]
                if positions[tp].read < offset:  # it went and came back, while this was being written
                    self._seek(tp, offset)
            self._look_if_settled()

    def unaccepted(self) -> list[Position]:
        """See `rollcall.eventlog.Reader.unaccepted`."""
        return [
            Position(tp.partition, one.committed, one.metadata)
            for tp, one in self._positions.items()
            if not one.accepted
        ]

    def accept(self, position: Position) -> None:
        """See `rollcall.eventlog.Reader.accept`."""
        for tp, one in self._positions.items():
            if Position(tp.partition, one.committed, one.metadata) == position:
                one.accepted = True

    async def restart(self, position: Position, metadata: str) -> int:
        """See `rollcall.eventlog.Reader.restart`."""
        async with self._committing:
            positions = self._positions
            tp = next((tp for tp in positions if tp.partition == position.partition), None)
            if tp is None or positions[tp].accepted or positions[tp].committed != position.offset:
                return 0
            async with within(self._timeout, "going back to the oldest record"):
                first: int = (await self._consumer.beginning_offsets([tp]))[tp]
                try:
                    await self._commit_offsets({tp: (first, metadata)})
                except _RevokedError:
                    return 0  # whoever has it now decides
            self._gaps.forget()
            positions[tp] = OwnedPartition(first, first, metadata, accepted=True)
            if positions is self._positions:
                self._seek(tp, first)
            self._look_if_settled()
            return max(0, position.offset - first)

    async def rewind(self) -> None:
        """Read again from what was committed."""
        self._gaps.forget()
        for tp, position in self._positions.items():
            self._seek(tp, position.committed)
        self._look_if_settled()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Called by the client before the group shares its partitions out anew."""
        self._revoking = True
        self._look_if_settled()
        if not self._settled.is_set():
            self._end_poll()  # the client gives no records from here on: who has some in hand should commit them
        with suppress(TimeoutError):
            async with asyncio.timeout(self._revoke_timeout):
                await self._settled.wait()
        self._ready.clear()
        self._end_poll()  # it would get records of the next partitions before it is known where those start
        self._revoking = False
        async with self._committing:
            dropped = sum(position.read - position.committed for position in self._positions.values())
            self._positions = {}
            self._gaps.forget()
        if dropped:
            _log.info("partitions revoked with records uncommitted", records=dropped, partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Called by the client when partitions have come."""
        tps = list(assigned)
        try:
            async with within(self._timeout, "taking partitions over"):
                self._positions = await self._starting_positions(tps) if tps else {}
        except (LogUnavailableError, _RevokedError) as error:
            _log.warning("partitions not taken over", cause=str(error))
            self.lost = True
        self._settled.clear()
        self._ready.set()

    async def _starting_positions(self, tps: list[TopicPartition]) -> dict[TopicPartition, OwnedPartition]:
        committed = await committed_offsets(self._consumer, tps)
        led = self._with_leader(tps)
        first = await self._consumer.beginning_offsets(led)
        last = await self._consumer.end_offsets(led)
        start: dict[TopicPartition, int] = {
            tp: committed[tp].offset if tp in committed else first.get(tp, 0) for tp in tps
        }
        beside: dict[TopicPartition, str] = {tp: committed[tp].metadata or "" if tp in committed else "" for tp in tps}
        lost = {tp: first[tp] - start[tp] for tp in led if start[tp] < first[tp]}
        if anew := {tp: first[tp] for tp in led if tp not in committed or tp in lost}:
            await self._commit_offsets({tp: (offset, beside[tp]) for tp, offset in anew.items()})
        report_loss(lost)
        self._gaps.begin(unknown={tp for tp in tps if tp not in first and tp not in committed})
        for tp in led:
            # Outside of what the topic holds: the client goes to the oldest record, and so do we.
            if not first[tp] <= start[tp] <= last[tp]:
                start[tp] = first[tp]
        return {tp: OwnedPartition(offset, offset, beside[tp]) for tp, offset in start.items()}

    def _with_leader(self, tps: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Leave out partitions without a leader: nobody can say where they end, and the others can be read."""
        return [tp for tp in tps if has_leader(self._consumer, tp)]

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        with suppress(IllegalStateError):  # it is being shared out anew, and starts from what is committed anyway
            self._consumer.seek(tp, offset)
            self._positions[tp].read = offset

    async def _commit_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        try:
            await self._consumer.commit(dict(offsets))
        except (CommitFailedError, IllegalStateError) as error:
            raise _RevokedError(str(error)) from error

    def _track(self, found: Mapping[TopicPartition, Sequence[Any]]) -> list[Entry]:
        entries = entries_of(found)
        for entry_tp, records in found.items():
            if position := self._positions.get(entry_tp):
                self._gaps.look(entry_tp, position.read, records[0].offset)
                position.read = records[-1].offset + 1
        return entries

    def _end_poll(self) -> None:
        if self._polling:
            with suppress(RuntimeError):  # its time is just over anyway
                self._polling.reschedule(asyncio.get_running_loop().time())

    def _look_if_settled(self) -> None:
        if all(position.read <= position.committed for position in self._positions.values()):
            self._settled.set()
        else:
            self._settled.clear()


class _RevokedError(Exception):
    """The partitions have gone to another member, or the whole group is sharing them out anew."""
