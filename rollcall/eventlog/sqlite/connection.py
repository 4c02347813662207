"""Connections to the database file, their limits, and what their failures mean.

The writing connection transacts under the write lock, comes back after failures and keeps the write-ahead file small.

One process writes or checkpoints at a time, and nobody who waits is passed over. SQLite's own write lock does not
suffice for two reasons. Up to version 3.51.2, a commit that resets the WAL while another connection checkpoints can
make that checkpoint skip committed pages, which loses them (https://sqlite.org/wal.html#walresetbug); Python links
whatever SQLite the system has, often an affected one. And SQLite's waiters sleep and retry, so that a busy process can
starve another beyond any timeout.
"""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rollcall.errors import LogUnavailableError

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
        db.execute("PRAGMA secure_delete = FAST")  # what is removed leaves no bytes in pages that are written anyway
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


_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.01
_CLOSED = -1


class WriteLock:
    """The right to write to a database, held by one thread of one process of this machine at a time.

    Two lock files beside the database, `-lock` and `-queue`: the first who waits holds `-queue`, so whoever just had
    the lock queues behind. The kernel releases both when a process dies.
    """

    def __init__(self, database: Path, timeout: float) -> None:
        """Open the lock files, creating them (mode 0600).

        Args:
            database: The database file.
            timeout: Seconds to wait for the lock.

        Raises:
            OSError: The lock files cannot be opened.
        """
        self._database = database
        self._timeout = timeout
        self._lock_fd = _open_lock(database, "-lock")
        try:
            self._queue_fd = _open_lock(database, "-queue")
        except OSError:
            os.close(self._lock_fd)
            raise

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it for the body.

        Raises:
            LogUnavailableError: Others held it for longer than the timeout.
        """
        deadline = time.monotonic() + self._timeout
        self._flock(self._queue_fd, deadline)
        try:
            self._flock(self._lock_fd, deadline)
        finally:
            fcntl.flock(self._queue_fd, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files, which stay on the disk. Calling it again changes nothing."""
        descriptors = (self._lock_fd, self._queue_fd)
        # A number that is closed twice may be another thread's file by then.
        self._lock_fd = self._queue_fd = _CLOSED
        for descriptor in descriptors:
            if descriptor != _CLOSED:
                os.close(descriptor)

    def _flock(self, descriptor: int, deadline: float) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LogUnavailableError(
                        f"the event log {self._database} is held by another process for more than {self._timeout:g} s"
                    ) from None
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return


def _open_lock(database: Path, suffix: str) -> int:
    return os.open(database.with_name(database.name + suffix), os.O_CREAT | os.O_RDWR, 0o600)


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
