"""Queries that still run past their deadline, told at once to whoever can end them.

The engine stops a query when it next looks at the clock. Some functions never do on one value, and such a query ends
only with the process. A thread of its own watches for them: they take all processors, and the event loop is late then.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rollcall.logs import logger

log = logger(__name__)

TOLD_AFTER = 0.4
"""Seconds past its deadline after which a query is overdue: one that looks at the clock has ended by then."""


class OverdueQueries:
    """The overdue queries of a process; safe to use from any thread.

    Args:
        tell: Called with how many there are, whenever that changes; from one thread at a time.
    """

    def __init__(self, tell: Callable[[int], None] = lambda _: None) -> None:
        self._tell = tell
        self._changed = threading.Condition()
        self._deadlines: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._overdue: set[str] = set()
        self._watching = False

    @property
    def under_way(self) -> int:
        """Queries that have begun and not ended, overdue or not."""
        return len(self._seconds)

    def watch(self, mark: str, outcome: "Future[Any]", seconds: float) -> None:
        """Look whether a query that begins now has ended in time.

        Args:
            mark: The query's name within the door.
            outcome: Done once it has ended.
            seconds: Its deadline.
        """
        with self._changed:
            if not self._watching:
                threading.Thread(target=self._watch, name="overdue", daemon=True).start()
                self._watching = True
            self._seconds[mark] = seconds
            self._deadlines[mark] = time.monotonic() + seconds + TOLD_AFTER
            self._changed.notify()
        outcome.add_done_callback(lambda _: self._ended(mark))

    def _ended(self, mark: str) -> None:
        with self._changed:
            del self._seconds[mark]
            self._deadlines.pop(mark, None)
            if mark in self._overdue:
                self._overdue.remove(mark)
                self._tell(len(self._overdue))

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for mark in [mark for mark, deadline in self._deadlines.items() if deadline <= now]:
                    del self._deadlines[mark]
                    self._overdue.add(mark)
                    self._tell(len(self._overdue))
                    log.error("a query runs past its deadline", query=mark, seconds=self._seconds[mark])
                self._changed.wait(min(self._deadlines.values()) - now if self._deadlines else None)
