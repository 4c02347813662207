"""Group commit: one thread writes for everybody, and what waits while the disk works shares the next commit.

What waits is a queue in memory with a bound, between the event loop and the writer's thread.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite.connection import Limits, WriteConnection, WriteLock, is_outage, unavailable

T = TypeVar("T")

OVERHEAD = 256
"""Bytes counted for a piece of work besides its records, so that empty ones are bounded too."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something to do with the writing connection.

    Attributes:
        run: Does it; what it returns goes to the future.
        size: Bytes it holds in memory.
        alone: Whether it runs by itself outside of a transaction, instead of sharing one.
        future: Who waits for it; touched on the event loop only.
    """

    run: Callable[[sqlite3.Connection], Any]
    size: int
    alone: bool
    future: asyncio.Future[Any]


class WriteQueue:
    """First in, first out; bounded by bytes, including what is being written."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._works: deque[Work] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, work: Work) -> None:
        """Add work, without waiting.

        Raises:
            LogUnavailableError: Too much waits already, or the log is closed.
        """
        with self._changed:
            if self._closed:
                raise LogUnavailableError("the event log is closed")
            if self._bytes and self._bytes + work.size > self._limits.pending_bytes:
                raise LogUnavailableError(
                    f"the event log's disk does not keep up: {self._bytes} bytes wait to be written"
                )
            self._bytes += work.size
            self._works.append(work)
            self._changed.notify()

    def take(self) -> list[Work]:
        """Wait for work and return what goes into the next transaction; empty when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._works or self._closed)
            taken: list[Work] = []
            size = 0
            while self._works and not (taken and self._full(taken, size)):
                taken.append(self._works.popleft())
                size += taken[-1].size
            return taken

    def done(self, works: list[Work]) -> None:
        """Forget the bytes of work that was taken."""
        with self._changed:
            self._bytes -= sum(work.size for work in works)

    def close(self) -> None:
        """Take nothing more; what was put can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _full(self, taken: list[Work], size: int) -> bool:
        return (
            taken[-1].alone
            or self._works[0].alone
            or len(taken) >= self._limits.transaction_works
            or size + self._works[0].size > self._limits.transaction_bytes
        )


Outcome = tuple[Work, Any, Exception | None]


class Writer:
    """Runs work on the writing connection, in order, for one event loop."""

    def __init__(self, database: Path, write_lock: WriteLock, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._database = database
        self._write_lock = write_lock
        self._loop = loop
        self._pending = WriteQueue(limits)
        self._connection = WriteConnection(database, write_lock, limits)
        # A daemon, so that a process that forgets to close the log can end; what it did not await is not promised.
        self._thread = threading.Thread(target=self._work, name="rollcall-log-writer", daemon=True)
        self._thread.start()

    async def do(self, run: Callable[[sqlite3.Connection], T], size: int = 0, *, alone: bool = False) -> T:
        """Run something on the writing connection and wait until it is durable.

        Args:
            run: Gets the connection, inside a transaction that it shares with others.
            size: Bytes of the records it holds.
            alone: Run it by itself and outside of a transaction.

        Raises:
            LogUnavailableError: Not done, or not known to be done.
            Exception: What ``run`` itself raised, when only its own work was at fault.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending.put(Work(run, size + OVERHEAD, alone, future))
        return await future

    async def close(self) -> None:
        """Finish all that is queued, then close the connection."""
        self._pending.close()
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while works := self._pending.take():
            outcomes = self._perform(works)
            self._pending.done(works)
            # When the loop has gone, so has everybody who waited.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, outcomes)
        self._connection.close()
        self._write_lock.close()

    def _perform(self, works: list[Work]) -> list[Outcome]:
        try:
            results = self._attempt(works)
        except Exception as error:
            if is_outage(error):
                return [(work, None, unavailable(self._database, error)) for work in works]
            if len(works) == 1:
                return [(works[0], None, error)]
            # One of them is bad; alone, each gets what it deserves.
            return [outcome for work in works for outcome in self._perform([work])]
        return [(work, result, None) for work, result in zip(works, results, strict=True)]

    def _attempt(self, works: list[Work]) -> list[Any]:
        if works[0].alone:
            with self._connection.alone() as db:
                return [works[0].run(db)]
        with self._connection.transaction() as db:
            return [work.run(db) for work in works]


def _settle(outcomes: list[Outcome]) -> None:
    for work, result, error in outcomes:
        if work.future.done():  # its caller was cancelled
            continue
        if error is None:
            work.future.set_result(result)
        else:
            work.future.set_exception(error)
