"""The site's own present, which may stand still, run, or be pushed forward."""

import time


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
