"""Directory rows on their way to the log."""

from collections.abc import Iterable

from reconcile.resume.checkpoint import Found
from rollcall.eventlog import EventLog, Record
from rollcall.records import Directory, License, Role, Seats, SnapshotComplete, User, encode

_BATCH = 2000
_KINDS: dict[type[Directory], str] = {User: "users", License: "licenses", Role: "roles", Seats: "seats"}


class DirectoryOutbox:
    """Rows of one snapshot on their way to the log.

    Args:
        event_log: Where they go; None for a dry run, which only counts.
        topic: The log's topic of directory rows.
        found: The counts.
    """

    def __init__(self, event_log: EventLog | None, topic: str, found: Found) -> None:
        self._log = event_log
        self._topic = topic
        self._found = found
        self._waiting: list[Directory] = []

    async def add(self, rows: Iterable[Directory]) -> None:
        """Take rows; when the batch is full it goes out. Raises LogUnavailableError."""
        for row in rows:
            self._waiting.append(row)
            self._found.rows[_KINDS.get(type(row), "other")] += 1
            if len(self._waiting) >= _BATCH:
                await self.flush()

    async def complete(self, last: SnapshotComplete) -> None:
        """Make all rows durable, and after them the row that lets readers see the snapshot."""
        await self.flush()
        await self._append([last])

    async def flush(self) -> None:
        """Append what waits. Raises LogUnavailableError."""
        rows, self._waiting = self._waiting, []
        await self._append(rows)

    async def _append(self, rows: list[Directory]) -> None:
        if rows and self._log:
            # One key, so that a log with partitions keeps a snapshot in order.
            await self._log.append(self._topic, [Record(encode(row), row.site.encode()) for row in rows])
