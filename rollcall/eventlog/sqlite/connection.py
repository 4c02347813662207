"""Connections to the database file, and what their failures mean."""

import errno
import sqlite3
from pathlib import Path

from rollcall.errors import LogUnavailableError


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
    """Tell whether an error concerns the database as a whole, not the one statement that met it."""
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
