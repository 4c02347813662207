"""A clock that runs as many times faster as asked, so that a quarter of an hour fits into a test."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells simulated seconds and waits for them."""

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
