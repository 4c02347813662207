"""Connections to the database file, their limits, and what their failures mean.

The writing connection transacts under the write lock, comes back after failures and keeps the write-ahead file
small.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite.write_lock import WriteLock

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one open log.

    Attributes:
        pending_bytes: What may wait in memory for the disk; above it, appending is refused at once. A single
            batch larger than this is taken only when nothing else waits.
        transaction_bytes: A transaction takes no further work once it has this much.
        transaction_works: Nor once it has this many appends and commits.
        read_bytes: A read returns fewer records than it may once it has this much.
        busy_seconds: How long to wait for another process before saying that the log is unavailable.
        wal_bytes: Size of the write-ahead file above which it is emptied into the database and truncated.
    """

    pending_bytes: int = 64 * MIB
    transaction_bytes: int = 8 * MIB
    transaction_works: int = 1024
    read_bytes: int = 16 * MIB
    busy_seconds: float = 5.0
    wal_bytes: int = 64 * MIB


def connect(database: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open an existing database so that a commit is on the disk when it returns.

    Args:
        database: Absolute path of the file; it is not created.
        busy_seconds: How long SQLite waits for locks.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    db = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")  # in WAL mode: fsync at every commit
        db.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves data in the drive's cache
    except sqlite3.Error:
        db.close()
        raise
    return db


def is_outage(error: Exception) -> bool:
    """Return whether an error concerns the database as a whole, not the one statement that met it."""
    if isinstance(error, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.InterfaceError):
        return False
    if isinstance(error, sqlite3.ProgrammingError):
        return False
    return isinstance(error, sqlite3.Error | OSError | LogUnavailableError)


def unavailable(database: Path, error: Exception) -> LogUnavailableError:
    """Say in words what an outage means and what helps."""
    if isinstance(error, LogUnavailableError):
        return LogUnavailableError(str(error))
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name == "SQLITE_FULL" or getattr(error, "errno", None) == errno.ENOSPC:
        remedy = "its disk is full; free space there"
    elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        remedy = "another program holds it locked"
    elif name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        remedy = "the file is damaged; stop Rollcall, keep a copy of it and run PRAGMA integrity_check"
    else:
        remedy = "see that its disk is there, writable and healthy"
    return LogUnavailableError(f"the event log {database} cannot be used ({name}: {error}): {remedy}")


_READERS_MS = 100


class WriteConnection:
    """Used by one thread. Opens its connection when first needed and again after an I/O error."""

    def __init__(self, database: Path, write_lock: WriteLock, limits: Limits) -> None:
        self._database = database
        self._wal = database.with_name(database.name + "-wal")
        self._write_lock = write_lock
        self._limits = limits
        self._file = _identity(database)
        self._db: sqlite3.Connection | None = None
        self._empty_at = limits.wal_bytes

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body in a transaction that is on the disk when this ends, or rolled back when it raises.

        Raises:
            sqlite3.Error, OSError, LogUnavailableError: Nothing was written.
        """
        with self._held() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
            self._watch_wal(db)

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """Give the connection outside of a transaction."""
        with self._held() as db:
            yield db

    def close(self) -> None:
        """Close the connection; the last one of all processes empties the write-ahead file."""
        if self._db is not None:
            with suppress(LogUnavailableError), self._write_lock.held():
                self._db.close()
            self._db.close()
            self._db = None

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock.held():
            db = self._connection()
            try:
                yield db
            except BaseException as error:
                self._recover(db, error)
                raise

    def _connection(self) -> sqlite3.Connection:
        if self._identity_changed():
            raise LogUnavailableError(
                f"the event log {self._database} was moved, deleted or replaced while in use; "
                "put it back, or restart Rollcall to begin a new one"
            )
        if self._db is None:
            self._db = connect(self._database, self._limits.busy_seconds)
        return self._db

    def _identity_changed(self) -> bool:
        # SQLite would go on writing to a file without a name, and every acknowledged record would be gone.
        try:
            return _identity(self._database) != self._file
        except FileNotFoundError:
            return True

    def _recover(self, db: sqlite3.Connection, error: BaseException) -> None:
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            # What fits into the database leaves the WAL, whose room on the disk can then be used again.
            with suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        harmless = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_TOOBIG")
        suspect = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "") not in harmless
        if suspect or db.in_transaction:
            self._db = None
            db.close()

    def _watch_wal(self, db: sqlite3.Connection) -> None:
        # SQLite copies the WAL back every 1000 pages, but starts it anew only at a moment without readers.
        if self._wal_bytes() > self._empty_at:
            # The records are safe in the WAL, so a failure here must not fail them.
            with suppress(sqlite3.Error):
                empty_wal(db, self._limits.busy_seconds)
            # When some reader (a backup, say) holds on to it, do not stop every commit to try again.
            self._empty_at = self._wal_bytes() + self._limits.wal_bytes

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0


def empty_wal(db: sqlite3.Connection, busy_seconds: float) -> bool:
    """Copy the write-ahead file into the database and truncate it; False when readers were in the way.

    Raises:
        sqlite3.Error: The disk refused; nothing is lost.
    """
    db.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
    try:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
    return not busy


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 - a Path's stat costs twice as much, and this runs in every commit
    return found.st_dev, found.st_ino
