"""Retries: how long to wait before the next request, and what requests and waits a run has cost.

Atlassian's page on rate limits: Retry-After is the minimum; without it begin at 2 s, double, stop growing at about
30 s, jitter 0.7 to 1.3. Seen in the field: no Retry-After at all, ``Retry-After: 0``, and bodies that are HTML, so
nothing here looks at a body.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import msgspec

from rollcall.clock import now_ms
from rollcall.logs import OncePerMinute, logger
from rollcall.settings import ReconcileSettings

log = logger(__name__)


class Stats(msgspec.Struct):
    """Requests sent (every try counts), and what was waited for, by why."""

    requests: Counter[str] = msgspec.field(default_factory=Counter)
    waits: Counter[str] = msgspec.field(default_factory=Counter)
    wait_seconds: dict[str, float] = {}

    def count_request(self, endpoint: str) -> None:
        """Count a request."""
        self.requests[endpoint] += 1

    def count_wait(self, reason: str, seconds: float) -> None:
        """Count a wait."""
        self.waits[reason] += 1
        self.wait_seconds[reason] = self.wait_seconds.get(reason, 0.0) + seconds

    def add(self, earlier: "Stats") -> None:
        """Add what an earlier life of the run cost."""
        self.requests.update(earlier.requests)
        self.waits.update(earlier.waits)
        for reason, seconds in earlier.wait_seconds.items():
            self.wait_seconds[reason] = self.wait_seconds.get(reason, 0.0) + seconds


_CHANCE = random.SystemRandom()
_PLAIN_GROWTH = 2
"""How many times Jira's own figure alone is trusted, before the growing pause counts too."""


_WORTH_A_LINE = 10.0
_LONG = 30.0
"""Seconds of a pause: from the first on it is told once a minute for each reason, from the second on each by itself."""


class Pauses:
    """Tells of pauses, each end once: many requests may wait for the same moment."""

    def __init__(self) -> None:
        self.listener: Callable[[str, float], None] | None = None
        self._told: dict[str, float] = {}
        self._per_minute = OncePerMinute()

    def begins(self, host: str, cause: str, reason: str, seconds: float) -> None:
        """Tell of a pause.

        Args:
            host: Of the site.
            cause: What was answered, for people.
            reason: A short word for the same.
            seconds: How long it is.
        """
        if self.listener:
            told_already = reason == "connection" or reason.startswith("http-")
            self.listener(cause if told_already else f"{cause}, {reason}", seconds)
        end = time.monotonic() + seconds
        later = seconds >= _LONG and end >= self._told.get(reason, 0.0) + _LONG
        shown = seconds >= _WORTH_A_LINE and (self._per_minute.allows(reason) or later)
        if shown:
            self._told[reason] = end
        level = logging.INFO if shown else logging.DEBUG
        log.log(level, "waiting for Jira", host=host, cause=cause, reason=reason, seconds=round(seconds, 1))


class RetryAfter(NamedTuple):
    """The pause that an answer asks for: seconds (0 when it names none), and why, as a short word for counting."""

    seconds: float
    reason: str


def _jitter() -> float:
    return _CHANCE.uniform(0.7, 1.3)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Computes the pause before a retry.

    Attributes:
        first: First pause in seconds where Jira names none.
        longest: Where that pause stops growing.
        jitter: Draws a factor around 1; tests draw 1.
    """

    first: float = 2.0
    longest: float = 30.0
    jitter: Callable[[], float] = _jitter

    @classmethod
    def of(cls, settings: ReconcileSettings) -> "Backoff":
        """Return the pauses that the settings ask for."""
        return cls(settings.backoff_first, settings.backoff_max)

    def pause(self, attempt: int, minimum: float) -> float:
        """Return the seconds to wait after the attempt-th try (from 1) failed; never less than Jira asked for."""
        growing = min(self.longest, self.first * 2.0 ** (attempt - 1)) * self.jitter()
        if minimum <= 0:
            return growing
        named = minimum * max(1.0, self.jitter())
        return named if attempt <= _PLAIN_GROWTH else max(named, growing)


def retry_after(status: int, headers: Mapping[str, str]) -> RetryAfter:
    """Read the pause that an answer asks for.

    Args:
        status: HTTP status.
        headers: Its headers, names without regard to case.
    """
    limited = headers.get("ratelimit-reason", "")
    reason = limited if limited.replace("-", "").isalnum() else f"http-{status}"
    seconds = _header_seconds(headers.get("retry-after", ""))
    if seconds <= 0 and "quota" in reason:
        seconds = _seconds_until(headers.get("x-ratelimit-reset", ""))
    return RetryAfter(seconds, reason)


def _header_seconds(text: str) -> float:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; 0 for none."""
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ms() / 1000)
    except (TypeError, ValueError):
        return 0.0


def _seconds_until(text: str) -> float:
    """Seconds until an ISO moment, which has been seen without seconds (``2026-01-01T01:01Z``); 0 for none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now_ms() / 1000)
