"""The writing connection: it transacts in turn, comes back after failures and keeps the write-ahead file small."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite.connection import connect
from rollcall.eventlog.sqlite.limits import Limits
from rollcall.eventlog.sqlite.turn import Turn

_READERS_MS = 100


class Store:
    """Used by one thread. Opens its connection when first needed and again after an I/O error."""

    def __init__(self, database: Path, turn: Turn, limits: Limits) -> None:
        self._database = database
        self._wal = database.with_name(database.name + "-wal")
        self._turn = turn
        self._limits = limits
        self._file = _identity(database)
        self._db: sqlite3.Connection | None = None
        self._empty_at = limits.wal_bytes

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body in a transaction that is on the disk when this ends, or rolled back when it raises.

        Raises:
            sqlite3.Error, OSError, LogUnavailableError: Nothing was kept.
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
            with suppress(LogUnavailableError), self._turn.taken():
                self._db.close()
            self._db.close()
            self._db = None

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        with self._turn.taken():
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
