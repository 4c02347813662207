"""The reading side: one connection in one thread, apart from the writer's, and a consumer group's reader of a topic."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry
from rollcall.eventlog.sqlite.connection import Limits, connect, unavailable
from rollcall.eventlog.sqlite.database import TopicTable, commit_offset, committed_offset, select
from rollcall.eventlog.sqlite.writer import Writer

T = TypeVar("T")


class ReadConnection:
    """Runs queries one at a time, in a thread of its own, without stopping the event loop."""

    def __init__(self, database: Path, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollcall-log-reader")
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a query returns. It must leave no cursor open, or the write-ahead file could not be reset.

        Raises:
            LogUnavailableError: The database cannot be read now, or the log is closed.
        """
        if self._closed:
            raise LogUnavailableError("the event log is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run_now, query)

    async def close(self) -> None:
        """Finish the queries that were begun, then close the connection."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown()

    def _run_now(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._db is None:
                self._db = connect(self._database, self._limits.busy_seconds)
                self._db.execute("PRAGMA query_only = ON")
            return query(self._db)
        except sqlite3.Error as error:
            self._disconnect()
            raise unavailable(self._database, error) from error

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


POLL_SECONDS = 0.05
"""How often a waiting reader looks for records of other processes; those of its own process wake it at once."""


class SqliteReader:
    """Reads a topic from where its group last committed.

    One reader a group is enough on one machine. A second one does not share the work: each reads all that was not
    committed when it joined, so records come twice but none is passed over, and the group's position is the
    furthest that either committed.
    """

    def __init__(
        self,
        table: TopicTable,
        group: str,
        first: int,
        writer: Writer,
        connection: ReadConnection,
        limits: Limits,
        left: Callable[["SqliteReader"], None],
    ) -> None:
        """Start at the offset ``first``; ``left`` is called when the reader closes."""
        self._table = table
        self._group = group
        self._next = first
        self._writer = writer
        self._connection = connection
        self._limits = limits
        self._left = left
        self._closed = False
        self._position_lock = asyncio.Lock()
        self._fresh = asyncio.Event()

    @property
    def topic(self) -> str:
        """The name of the topic it reads."""
        return self._table.topic.name

    def wake(self) -> None:
        """Look for records now instead of at the next poll."""
        self._fresh.set()

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        """See `rollcall.eventlog.Reader.read`."""
        if max_records < 1:
            raise ValueError("max_records must be at least 1")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_wait
        while True:
            self._fresh.clear()
            entries = await self._fetch(max_records)
            remaining = deadline - loop.time()
            if entries or remaining <= 0:
                return entries
            with suppress(TimeoutError):
                async with asyncio.timeout(min(POLL_SECONDS, remaining)):
                    await self._fresh.wait()

    async def commit(self, entries: Sequence[Entry]) -> None:
        """See `rollcall.eventlog.Reader.commit`."""
        self._refuse_when_closed()
        if entries:
            following = max(entry.offset for entry in entries) + 1
            await self._writer.do(partial(commit_offset, table=self._table, group=self._group, following=following))

    async def rewind(self) -> None:
        """See `rollcall.eventlog.Reader.rewind`."""
        async with self._position_lock:
            self._refuse_when_closed()
            self._next = await self._connection.run(partial(committed_offset, table=self._table, group=self._group))

    async def close(self) -> None:
        """See `rollcall.eventlog.Reader.close`."""
        self._closed = True
        self.wake()
        self._left(self)

    async def _fetch(self, max_records: int) -> list[Entry]:
        async with self._position_lock:
            self._refuse_when_closed()
            entries = await self._connection.run(
                partial(
                    select,
                    table=self._table,
                    first=self._next,
                    last=None,
                    max_records=max_records,
                    max_bytes=self._limits.read_bytes,
                )
            )
            # Only now: a read that fails or is cancelled leaves the position as it was.
            if entries:
                self._next = entries[-1].offset + 1
            return entries

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise LogUnavailableError(f"this reader of {self.topic} is closed")
