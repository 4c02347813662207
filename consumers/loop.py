"""The consumer loop: read a batch, write it, set poison aside, write how far the topic is, and only then commit.

At least once: whatever dies between the write and the commit, the batch is read and written again, and writing again
changes nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from consumers.poison import FailureRate, Poison, append_dead_letters
from consumers.writers import LogPositions, Writer
from rollcall.errors import LogUnavailableError, RollcallError, WarehouseUnavailableError
from rollcall.eventlog import Entry, EventLog, Reader
from rollcall.logs import logger
from rollcall.metrics import CONSUMED, CONSUMER_RETRIES, CONSUMER_RUNNING, INSERT_SECONDS
from rollcall.outage import Outage
from rollcall.settings import ConsumerSettings

log = logger(__name__)
_T = TypeVar("_T")

_IDLE_WAIT = 1.0
"""Seconds to wait for a first record at a time."""
_LEAST_WAIT = 0.2
"""Seconds that a batch fills, however quickly it is written: each insert makes parts, which the engine has to merge."""
_WAIT_SHARE = 2.0
"""How many times as long as the batch before was written: writing then takes a third of the time at most."""
_LOOK_SECONDS = 60.0
"""While no record comes, the warehouse is looked at so often."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a consumer reads: a topic of a log, as a member of a group, and where its poison goes."""

    log: EventLog
    topic: str
    group: str
    deadletter_topic: str


def _no_fault(point: str) -> None:
    """Nothing goes wrong at any point."""


class Consumer:
    """Reads one topic and writes it.

    Args:
        source: Where the records come from.
        writer: What writes them.
        settings: Batch sizes, pauses and the limit of poison.
        fault: Called at named points (``inserted``, ``set aside``, ``recorded``, ``committed``); tests kill the process
            there.
        positions: What holds the group's positions against the warehouse; None for no such care.
    """

    def __init__(
        self,
        source: Source,
        writer: Writer,
        settings: ConsumerSettings,
        fault: Callable[[str], None] = _no_fault,
        positions: LogPositions | None = None,
    ) -> None:
        self._source = source
        self._writer = writer
        self._settings = settings
        self._fault = fault
        self._positions = positions
        self._looked = time.monotonic()
        self._wrote_seconds = 0.0
        self._failure_rate = FailureRate(settings.poison_window, settings.poison_ratio)
        self._outage = Outage(log, settings.backoff_max, topic=source.topic)

    @property
    def trouble(self) -> RollcallError | None:
        """What it waits out now: the last failure of log or warehouse, until a try succeeds."""
        return self._outage.trouble

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; the batch in hand is finished first.

        While log or warehouse are away it waits, with growing pauses, and loses nothing.

        Raises:
            TooMuchPoisonError: Too many records cannot be understood; nothing of the last batch is committed.
        """
        reader: Reader | None = None
        CONSUMER_RUNNING.labels(self._source.topic).set(1)
        try:
            reader = await self._with_retries(self._join, stop)
            while not stop.is_set():
                if await self._step(reader, stop):
                    # As after a start: the positions of a reader that just came are held against the warehouse.
                    await reader.close()
                    reader = None
                    reader = await self._with_retries(self._join, stop)
        except (LogUnavailableError, WarehouseUnavailableError) as error:
            if not stop.is_set():
                raise
            log.warning("stopped with records unwritten", topic=self._source.topic, cause=str(error))
        finally:
            CONSUMER_RUNNING.labels(self._source.topic).set(0)
            if reader:
                await reader.close()

    async def drain(self) -> int:
        """Consume what is on the topic now and return how many records that were.

        For commands that run while no consumer does. Raises at once what `run` would wait out.
        """
        reader = await self._join()
        total = 0
        try:
            await self._admit(reader)
            while entries := await reader.read(self._settings.batch_records, 0.0):
                if self._positions and reader.unaccepted():
                    await reader.rewind()
                else:
                    poison = await self._write(entries)
                    await self._set_aside(poison)
                    await self._commit(reader, entries, await self._record(entries))
                    self._count(entries, poison)
                    total += len(entries)
                await self._admit(reader)
        finally:
            await reader.close()
        return total

    async def _join(self) -> Reader:
        return await self._source.log.reader(self._source.topic, self._source.group)

    async def _step(self, reader: Reader, stop: asyncio.Event) -> bool:
        """Consume a batch, if there is one; return whether the warehouse is another than the one before."""
        await self._with_retries(lambda: self._admit(reader), stop)
        entries = await self._with_retries(lambda: self._fill(reader, stop), stop)
        if self._positions and reader.unaccepted():
            # Partitions came while it read; what it read may be of before.
            await self._with_retries(reader.rewind, stop)
        elif entries:
            began = time.monotonic()
            poison = await self._with_retries(lambda: self._write(entries), stop)
            if await self._with_retries(self._is_exchanged, stop):
                return True  # with the batch uncommitted
            await self._with_retries(lambda: self._set_aside(poison), stop)
            metadata = await self._with_retries(lambda: self._record(entries), stop)
            await self._with_retries(lambda: self._commit(reader, entries, metadata), stop)
            self._count(entries, poison)
            self._wrote_seconds = time.monotonic() - began
        elif time.monotonic() - self._looked >= _LOOK_SECONDS:
            return await self._with_retries(self._is_exchanged, stop)
        return False

    async def _is_exchanged(self) -> bool:
        self._looked = time.monotonic()
        return self._positions is not None and await self._positions.is_exchanged()

    async def _admit(self, reader: Reader) -> None:
        if self._positions:
            await self._positions.admit(reader)

    async def _record(self, entries: Sequence[Entry]) -> Mapping[int, str] | None:
        metadata = await self._positions.record(entries) if self._positions else None
        self._fault("recorded")
        return metadata

    async def _fill(self, reader: Reader, stop: asyncio.Event) -> list[Entry]:
        """Read until the batch is full, its first record has waited long enough, or `stop` is set."""
        most = self._settings.batch_records
        entries = list(await _read(reader, most, _IDLE_WAIT, stop))
        wait = min(self._settings.batch_seconds, max(_LEAST_WAIT, _WAIT_SHARE * self._wrote_seconds))
        until = time.monotonic() + wait
        while entries and len(entries) < most and (left := until - time.monotonic()) > 0:
            try:
                more = await _read(reader, most - len(entries), left, stop)
            except LogUnavailableError:
                break  # write what is here; the next read meets the trouble again
            if not more:
                break  # none came, or the log wants to know first what becomes of those
            entries += more
        return entries

    async def _write(self, entries: Sequence[Entry]) -> list[Poison]:
        with INSERT_SECONDS.labels(self._source.topic).time():
            poison = await self._writer.write(entries)
        self._fault("inserted")
        first = f"{poison[0].entry.position}, {poison[0].detail}" if poison else ""
        self._failure_rate.add(len(entries), len(poison), first)
        return poison

    async def _set_aside(self, poison: Sequence[Poison]) -> None:
        if poison:
            await append_dead_letters(self._source.log, self._source.deadletter_topic, self._source.topic, poison)
            self._fault("set aside")
            log.warning("records set aside", topic=self._source.topic, records=len(poison), reason=poison[0].reason)

    async def _commit(self, reader: Reader, entries: Sequence[Entry], metadata: Mapping[int, str] | None) -> None:
        await reader.commit(entries, metadata)
        self._fault("committed")

    def _count(self, entries: Sequence[Entry], poison: Sequence[Poison]) -> None:
        CONSUMED.labels(self._source.topic, "written").inc(len(entries) - len(poison))
        CONSUMED.labels(self._source.topic, "dead_letter").inc(len(poison))

    async def _with_retries(self, call: Callable[[], Awaitable[_T]], stop: asyncio.Event) -> _T:
        return await self._outage.wait_out(call, stop, CONSUMER_RETRIES.labels(self._source.topic).inc)


async def _read(reader: Reader, most: int, wait: float, stop: asyncio.Event) -> Sequence[Entry]:
    """Read as the reader does, but wait no longer once `stop` is set: then only what is there already is read."""
    if not stop.is_set():
        reading = asyncio.ensure_future(reader.read(most, wait))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            reading.cancel()  # without effect when it is done; else the position is unchanged
            await asyncio.wait({reading})
        if not reading.cancelled():
            return reading.result()
    return await reader.read(most, 0.0)
