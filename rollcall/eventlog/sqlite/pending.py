"""What waits to be written: a queue in memory with a bound, between the event loop and the writer's thread."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite.limits import Limits

OVERHEAD = 256
"""Bytes counted for a piece of work besides its records, so that empty ones are bounded too."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something to do with the writing connection.

    Attributes:
        run: Does it; what it returns goes to the future.
        size: Bytes it holds in memory.
        alone: Whether it runs by itself outside of a transaction, instead of sharing one.
        future: Who waits for it; touched on the event loop only.
    """

    run: Callable[[sqlite3.Connection], Any]
    size: int
    alone: bool
    future: asyncio.Future[Any]


class Pending:
    """First in, first out; bounded by bytes, including what is being written."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._works: deque[Work] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, work: Work) -> None:
        """Add work, without waiting.

        Raises:
            LogUnavailableError: Too much waits already, or the log is closed.
        """
        with self._changed:
            if self._closed:
                raise LogUnavailableError("the event log is closed")
            if self._bytes and self._bytes + work.size > self._limits.pending_bytes:
                raise LogUnavailableError(
                    f"the event log's disk does not keep up: {self._bytes} bytes wait to be written"
                )
            self._bytes += work.size
            self._works.append(work)
            self._changed.notify()

    def take(self) -> list[Work]:
        """Wait for work and return what goes into the next transaction; empty when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._works or self._closed)
            taken: list[Work] = []
            size = 0
            while self._works and not (taken and self._full(taken, size)):
                taken.append(self._works.popleft())
                size += taken[-1].size
            return taken

    def done(self, works: list[Work]) -> None:
        """Forget the bytes of work that was taken."""
        with self._changed:
            self._bytes -= sum(work.size for work in works)

    def close(self) -> None:
        """Take nothing more; what was put is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _full(self, taken: list[Work], size: int) -> bool:
        return (
            taken[-1].alone
            or self._works[0].alone
            or len(taken) >= self._limits.transaction_works
            or size + self._works[0].size > self._limits.transaction_bytes
        )
