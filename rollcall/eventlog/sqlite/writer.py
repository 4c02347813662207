"""Group commit: one thread writes for everybody, and what waits while the disk works shares the next commit."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from rollcall.eventlog.sqlite.connection import is_outage, unavailable
from rollcall.eventlog.sqlite.limits import Limits
from rollcall.eventlog.sqlite.pending import OVERHEAD, Pending, Work
from rollcall.eventlog.sqlite.store import Store
from rollcall.eventlog.sqlite.turn import Turn

T = TypeVar("T")
Outcome = tuple[Work, Any, Exception | None]


class Writer:
    """Runs work on the writing connection, in order, for one event loop."""

    def __init__(self, database: Path, turn: Turn, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._database = database
        self._turn = turn
        self._loop = loop
        self._pending = Pending(limits)
        self._store = Store(database, turn, limits)
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
        """Finish all that was handed in, then close the connection."""
        self._pending.close()
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while works := self._pending.take():
            outcomes = self._perform(works)
            self._pending.done(works)
            # When the loop has gone, so has everybody who waited.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, outcomes)
        self._store.close()
        self._turn.close()

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
            with self._store.alone() as db:
                return [works[0].run(db)]
        with self._store.transaction() as db:
            return [work.run(db) for work in works]


def _settle(outcomes: list[Outcome]) -> None:
    for work, result, error in outcomes:
        if work.future.done():  # its caller was cancelled
            continue
        if error is None:
            work.future.set_result(result)
        else:
            work.future.set_exception(error)
