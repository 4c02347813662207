"""Outages: calls are repeated while event log or warehouse are away, and the log says what is waited for and why."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina
import structlog

from rollcall.errors import LogUnavailableError, RollcallError, WarehouseUnavailableError
from rollcall.logs import OncePerMinute

_T = TypeVar("_T")
_FIRST_PAUSE = 0.1


def _nobody_counts() -> None:
    """Count no try."""


class Outage:
    """Waits out what is away, and is the same for all calls of one waiter, one call at a time.

    Tries come several a second, lines in the log do not: one when it begins, one at each change of the reason, then one
    a minute, and one when it is over. A reason that was logged within the last minute is no change, or two reasons that
    alternate, and outages that come and go by the second, would be logged at every try.
    """

    def __init__(
        self,
        log: structlog.stdlib.BoundLogger,
        longest_pause: float,
        *,
        topic: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with everything there.

        Args:
            log: Where lines go.
            longest_pause: Seconds at which the pause between two tries stops growing.
            topic: The topic on which is waited; empty for none.
            clock: Returns seconds.
        """
        self.trouble: RollcallError | None = None
        """What is waited out now: the last failure, until a try succeeds."""
        self._log = log
        self._names = {"topic": topic} if topic else {}
        self._longest_pause = longest_pause
        self._clock = clock
        self._since = 0.0
        self._tries = 0
        self._logged = False
        self._lines = OncePerMinute(clock)

    async def wait_out(
        self, call: Callable[[], Awaitable[_T]], stop: asyncio.Event, on_retry: Callable[[], None] = _nobody_counts
    ) -> _T:
        """Call until it works, with growing pauses; once `stop` is set, let the next failure through.

        Args:
            call: What to call.
            stop: Ends the waiting.
            on_retry: Called before each further try.

        Returns:
            What the call returns.

        Raises:
            Exception: What the call raises, other than that log or warehouse are away.
        """

        def again(error: Exception) -> bool:
            if stop.is_set() or not isinstance(error, LogUnavailableError | WarehouseUnavailableError):
                return False
            self._failed(error)
            on_retry()
            return True

        attempts = stamina.retry_context(
            on=again, attempts=None, timeout=None, wait_initial=_FIRST_PAUSE, wait_max=self._longest_pause
        )
        async for attempt in attempts:
            with attempt:
                result = await call()
                self._over()
                return result
        raise AssertionError("an endless retry ended")

    def _failed(self, error: LogUnavailableError | WarehouseUnavailableError) -> None:
        now = self._clock()
        if self.trouble is None:
            self._since, self._tries, self._logged = now, 0, False
        self.trouble = error
        self._tries += 1
        reason = re.sub(r"\d+", "0", str(error))  # figures change from try to try: bytes that wait, ports, ids
        if self._lines.allows(reason):
            self._logged = True
            waited = round(now - self._since)
            numbers = {"seconds": waited, "tries": self._tries}
            self._log.warning(f"waiting for {_name(error)}", **self._names, cause=str(error), **numbers)

    def _over(self) -> None:
        if self.trouble is not None and self._logged:
            seconds = self._clock() - self._since
            answers = f"{_name(self.trouble)} answers again after {seconds:.0f} s"
            self._log.info(answers, **self._names, tries=self._tries)
        self.trouble = None


def _name(error: RollcallError) -> str:
    return "the event log" if isinstance(error, LogUnavailableError) else "the warehouse"
