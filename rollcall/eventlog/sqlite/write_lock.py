"""The write lock: one process writes or checkpoints at a time, and nobody who waits is passed over.

SQLite's own write lock does not suffice for two reasons. Up to version 3.51.2, a commit that resets the WAL while
another connection checkpoints can make that checkpoint skip committed pages, which loses them
(https://sqlite.org/wal.html#walresetbug); Python links whatever SQLite the system has, often an affected one.
And SQLite's waiters sleep and retry, so that a busy process can starve another beyond any timeout.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollcall.errors import LogUnavailableError

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
        self._lock_fd = _open(database, "-lock")
        try:
            self._queue_fd = _open(database, "-queue")
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


def _open(database: Path, suffix: str) -> int:
    return os.open(database.with_name(database.name + suffix), os.O_CREAT | os.O_RDWR, 0o600)
