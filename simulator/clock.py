"""The site's clock, the scaled clock by which webhooks are retried, and times as Jira writes them.

The site's clock may stand still, run, or be pushed forward. The scaled one runs as many times faster than the real one
as it is set to, so that a quarter of an hour fits into a test.
"""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from simulator.config import DAY_MS


class SiteClock:
    """Epoch ms as the site sees them; never goes back."""

    def __init__(self, now_ms: int, speed: float = 0.0) -> None:
        """Start at ``now_ms``; ``speed`` is 0 for a clock that stands, 1 for one that keeps real time."""
        self._base = now_ms
        self._begin = time.monotonic()
        self.speed = speed

    def now(self) -> int:
        """Return the site's present, epoch ms."""
        return self._base + int((time.monotonic() - self._begin) * 1000 * self.speed)

    def advance(self, ms: int) -> int:
        """Push the clock forward and return the new present.

        Raises:
            ValueError: The clock would go back.
        """
        if ms < 0:
            raise ValueError("the clock never goes back")
        self._base += ms
        return self.now()


class Clock(Protocol):
    """Returns simulated seconds and waits for them."""

    def now(self) -> float:
        """Return the simulated seconds that have passed."""

    async def sleep(self, seconds: float) -> None:
        """Wait for this many simulated seconds."""


class ScaledClock:
    """Counts simulated seconds from its making: ``scale`` of them to a real one."""

    def __init__(self, scale: float = 1.0) -> None:
        """Start at zero."""
        self.scale = scale
        self._begin = time.monotonic()

    def now(self) -> float:
        """Return the simulated seconds that have passed."""
        return (time.monotonic() - self._begin) * self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait for this many simulated seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.scale)


def jira_time(zone: str, at: int) -> str:
    """Write epoch ms as Jira Cloud does: ISO with ms and an offset without colon, in the site's zone."""
    offset, suffix = _offset(zone, at // 900_000)
    day, rest = divmod(at + offset, DAY_MS)
    seconds, ms = divmod(rest, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}{suffix}"


@lru_cache(maxsize=16_384)
def _offset(zone: str, quarter: int) -> tuple[int, str]:
    """Return offset (ms) and how Jira writes it; zones change at quarters of an hour only."""
    shift = datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).utcoffset()
    seconds = int(shift.total_seconds()) if shift else 0
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3_600)
    return seconds * 1_000, f"{sign}{hours:02d}{rest // 60:02d}"


@lru_cache(maxsize=4_096)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
