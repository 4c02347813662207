"""The reading side: one connection in one thread, apart from the writer's."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite.connection import connect, unavailable
from rollcall.eventlog.sqlite.limits import Limits

T = TypeVar("T")


class Queries:
    """Answers questions to the database, one at a time, without stopping the event loop."""

    def __init__(self, database: Path, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rollcall-log-reader")
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Return the answer. The question must leave no cursor open, or the write-ahead file could not be reset.

        Raises:
            LogUnavailableError: The database cannot be read now, or the log is closed.
        """
        if self._closed:
            raise LogUnavailableError("the event log is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    async def close(self) -> None:
        """Answer what was asked, then close the connection."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown()

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._db is None:
                self._db = connect(self._database, self._limits.busy_seconds)
                self._db.execute("PRAGMA query_only = ON")
            return question(self._db)
        except sqlite3.Error as error:
            self._disconnect()
            raise unavailable(self._database, error) from error

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
