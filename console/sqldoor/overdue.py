"""Queries that still run past their deadline, told at once to whoever can end them.

The engine stops a query when it next looks at the clock. Some functions never do on one value, and such a query ends
only with the process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rollcall.logs import logger
from rollcall.metrics import SQL_OVERDUE

log = logger(__name__)

TOLD_AFTER = 0.7
"""Seconds past its deadline after which a query is overdue: one that looks at the clock has ended by then."""


class OverdueQueries:
    """The overdue queries of a process; used from one event loop.

    Args:
        tell: Called with how many there are, whenever that changes.

    Attributes:
        under_way: Queries that have begun and not ended, overdue or not.
    """

    def __init__(self, tell: Callable[[int], None] = lambda _: None) -> None:
        self._tell = tell
        self._marks: set[str] = set()
        self.under_way = 0

    def watch(self, mark: str, outcome: "Future[Any]", seconds: float) -> None:
        """Look whether a query that begins now has ended in time.

        Args:
            mark: The query's name within the door.
            outcome: Done once it has ended.
            seconds: Its deadline.
        """
        loop = asyncio.get_running_loop()
        self.under_way += 1
        looking = loop.call_later(seconds + TOLD_AFTER, self._look, mark, outcome, seconds)

        def ended() -> None:
            self.under_way -= 1
            looking.cancel()
            if mark in self._marks:
                self._marks.remove(mark)
                self._changed()

        outcome.add_done_callback(lambda _: loop.call_soon_threadsafe(ended))

    def _look(self, mark: str, outcome: "Future[Any]", seconds: float) -> None:
        if not outcome.done():
            log.error("a query runs past its deadline", query=mark, seconds=seconds)
            self._marks.add(mark)
            self._changed()

    def _changed(self) -> None:
        SQL_OVERDUE.set(len(self._marks))
        self._tell(len(self._marks))
