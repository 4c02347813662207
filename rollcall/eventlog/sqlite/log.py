"""The SQLite event log and its readers.

The reading side has one connection in one thread, apart from the writer's; a reader is a consumer group's of one topic.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rollcall.clock import now_ms
from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry, Position, Record, Remark, Topic, TopicState
from rollcall.eventlog.sqlite.connection import Limits, WriteLock, connect, empty_wal, unavailable
from rollcall.eventlog.sqlite.database import (
    Committed,
    TopicTable,
    blank,
    commit_offset,
    committed,
    create_database_file,
    give_back,
    insert,
    join_group,
    measure,
    newest_offset,
    prepare,
    remove_step,
    restart_group,
    select,
    shrink_step,
)
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


_PARTITION = 0
"""The only one of a topic."""

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
        start: Committed,
        writer: Writer,
        connection: ReadConnection,
        limits: Limits,
        left: Callable[["SqliteReader"], None],
    ) -> None:
        """Start where the group is; ``left`` is called when the reader closes."""
        self._table = table
        self._group = group
        self._start = start
        self._next = start.next
        self._accepted = False
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

    async def commit(self, entries: Sequence[Entry], metadata: Mapping[int, str] | None = None) -> None:
        """See `rollcall.eventlog.Reader.commit`.

        Where another reader has sent the group back to the beginning meanwhile, this one goes there too.
        """
        self._refuse_when_closed()
        if not entries or (metadata is not None and not (self._accepted and _PARTITION in metadata)):
            return
        following = max(entry.offset for entry in entries) + 1
        beside = None if metadata is None else metadata[_PARTITION]
        place: dict[str, Any] = {"table": self._table, "group": self._group}
        found = await self._writer.do(
            partial(commit_offset, **place, following=following, metadata=beside, epoch=self._start.epoch)
        )
        if found.epoch != self._start.epoch:
            await self._go_to(found, accepted=False)

    def unaccepted(self) -> Sequence[Position]:
        """See `rollcall.eventlog.Reader.unaccepted`."""
        return [] if self._accepted else [Position(_PARTITION, self._start.next, self._start.metadata)]

    def accept(self, position: Position) -> None:
        """See `rollcall.eventlog.Reader.accept`."""
        self._accepted = self._accepted or position in self.unaccepted()

    async def restart(self, position: Position, metadata: str) -> int:
        """See `rollcall.eventlog.Reader.restart`."""
        self._refuse_when_closed()
        if position not in self.unaccepted():
            return 0
        place: dict[str, Any] = {"table": self._table, "group": self._group}
        again = await self._writer.do(partial(restart_group, **place, metadata=metadata, epoch=self._start.epoch))
        found = await self._connection.run(partial(committed, **place))
        await self._go_to(found, accepted=found.metadata == metadata)
        return again

    async def rewind(self) -> None:
        """See `rollcall.eventlog.Reader.rewind`."""
        async with self._position_lock:
            self._refuse_when_closed()
            found = await self._connection.run(partial(committed, table=self._table, group=self._group))
            self._next = found.next

    async def close(self) -> None:
        """See `rollcall.eventlog.Reader.close`."""
        self._closed = True
        self.wake()
        self._left(self)

    async def _go_to(self, found: Committed, *, accepted: bool) -> None:
        async with self._position_lock:
            self._start, self._next, self._accepted = found, found.next, accepted

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


PROBE_BYTES = 16 * 1024
SCAN_RECORDS = 1000
_BLANKED_AT_ONCE = 500
_SCOURINGS = 100


class SqliteLog:
    """An `rollcall.eventlog.EventLog` in one SQLite file. Belongs to the event loop it was opened on.

    Offsets have no gaps, and each topic is one partition, so order is that of appending, whatever the key.
    """

    remarks: Sequence[Remark] = ()
    """None: the file is as the settings say."""

    def __init__(
        self,
        tables: Mapping[str, TopicTable],
        writer: Writer,
        connection: ReadConnection,
        limits: Limits,
        now: Callable[[], int],
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._connection = connection
        self._limits = limits
        self._now = now
        self._readers: set[SqliteReader] = set()

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        """See `rollcall.eventlog.EventLog.append`."""
        table = self._table(topic)
        values = [record.value for record in records]
        for value in values:
            if not isinstance(value, bytes):
                raise TypeError(f"a record's value must be bytes, not {type(value).__name__}")
        if values:
            size = sum(map(len, values))
            await self._writer.do(partial(insert, table=table, values=values, appended_at=self._now()), size)
            for reader in self._readers:
                if reader.topic == topic:
                    reader.wake()

    async def reader(self, topic: str, group: str) -> SqliteReader:
        """See `rollcall.eventlog.EventLog.reader`."""
        table = self._table(topic)
        start = await self._writer.do(partial(join_group, table=table, group=group))
        reader = SqliteReader(table, group, start, self._writer, self._connection, self._limits, self._readers.discard)
        self._readers.add(reader)
        return reader

    async def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        """See `rollcall.eventlog.EventLog.scan`. Holds no lock and no snapshot between records."""
        table = self._table(topic)
        last = await self._connection.run(partial(newest_offset, table=table))
        first = (begin or {}).get(0, 0)  # each topic is one partition
        while entries := await self._connection.run(
            partial(
                select,
                table=table,
                first=first,
                last=last,
                max_records=SCAN_RECORDS,
                max_bytes=self._limits.read_bytes,
            )
        ):
            for entry in entries:
                yield entry
            first = entries[-1].offset + 1

    async def state(self, topic: str) -> TopicState:
        """See `rollcall.eventlog.EventLog.state`."""
        return await self._connection.run(partial(measure, table=self._table(topic)))

    async def retain(self) -> int:
        """See `rollcall.eventlog.EventLog.retain`. Gives what becomes free back to the disk."""
        removed = 0
        for table in self._tables.values():
            # Each step is queued anew, so that appends get in between.
            while step := await self._writer.do(partial(remove_step, table=table, now=self._now())):
                removed += step
        while await self._writer.do(shrink_step):
            pass
        await self._writer.do(partial(empty_wal, busy_seconds=self._limits.busy_seconds), alone=True)
        return removed

    async def erase(self, topic: str, chosen: Callable[[bytes], bool]) -> int:
        """Take the values of the chosen records away, for good; their places stay, empty, and every reader passes them.

        Their bytes are off the disk's files only after `scour`.

        Returns:
            How many went.

        Raises:
            LogUnavailableError: Some are left; call it again.
        """
        table = self._table(topic)
        doomed = [entry.offset async for entry in self.scan(topic) if entry.value and chosen(entry.value)]
        for start in range(0, len(doomed), _BLANKED_AT_ONCE):
            some = doomed[start : start + _BLANKED_AT_ONCE]
            await self._writer.do(partial(blank, table=table, offsets=some))
        return len(doomed)

    async def scour(self, *, whole: bool = False) -> bool:
        """Have nothing in the files that no record holds: free pages are given back, the write-ahead file is emptied.

        Args:
            whole: Write the whole file anew, which takes a while, and nothing can be appended meanwhile.

        Returns:
            Whether it was done; else some reader was in the way all the while.

        Raises:
            LogUnavailableError: Not done.
        """
        if whole:
            await self._writer.do(lambda db: db.execute("VACUUM").fetchall(), alone=True)
        else:
            await self._writer.do(give_back)
        for _ in range(_SCOURINGS):
            if await self._writer.do(partial(empty_wal, busy_seconds=self._limits.busy_seconds), alone=True):
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def check(self) -> None:
        """See `rollcall.eventlog.EventLog.check`. Writes and commits 16 KiB, replacing those of the last check."""
        await self._writer.do(_probe, PROBE_BYTES)

    async def close(self) -> None:
        """See `rollcall.eventlog.EventLog.close`."""
        for reader in list(self._readers):
            await reader.close()
        await self._connection.close()
        # Last, so that the connection that empties the write-ahead file closes under the write lock.
        await self._writer.close()

    def _table(self, topic: str) -> TopicTable:
        try:
            return self._tables[topic]
        except KeyError:
            raise ValueError(f"the log was opened without the topic {topic!r}") from None


async def open_sqlite_log(
    database: Path,
    topics: Sequence[Topic],
    *,
    limits: Limits | None = None,
    now: Callable[[], int] = now_ms,
) -> SqliteLog:
    """Open the log in a SQLite file, creating folder, file and tables as needed.

    Args:
        database: Absolute path of the file, on a local disk (SQLite's WAL does not work over a network).
        topics: The topics to use.
        limits: Bounds of memory, transactions and waiting.
        now: Wall clock in epoch ms; ages of records are measured with it.

    Raises:
        SettingsError: The file cannot be used as it is; the text names `log_url` and the remedy.
        LogUnavailableError: It cannot be used at the moment (disk full, locked).
    """
    bounds = limits or Limits()
    write_lock, tables = await asyncio.to_thread(_prepare, database, topics, bounds)
    writer = Writer(database, write_lock, bounds, asyncio.get_running_loop())
    return SqliteLog(tables, writer, ReadConnection(database, bounds), bounds, now)


def _prepare(database: Path, topics: Sequence[Topic], limits: Limits) -> tuple[WriteLock, dict[str, TopicTable]]:
    create_database_file(database)
    write_lock: WriteLock | None = None
    try:
        write_lock = WriteLock(database, limits.busy_seconds)
        return write_lock, prepare(database, topics, write_lock, limits.busy_seconds)
    except BaseException as error:
        if write_lock is not None:
            write_lock.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise unavailable(database, error) from error
        raise


def _probe(db: sqlite3.Connection) -> None:
    # Noise, because SQLite leaves pages alone that would not change.
    db.execute("INSERT OR REPLACE INTO probe (id, noise) VALUES (1, randomblob(?))", (PROBE_BYTES,))
