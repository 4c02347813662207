"""How often a fault is repeated: once in `make test`, for its share of SOAK_MINUTES in `make soak`."""

import os
import time
from collections.abc import Iterator

SOAK_VARIABLE = "SOAK_MINUTES"


def soak_seconds() -> float:
    """Seconds that all faults together are repeated for; 0 in the short form."""
    return 60 * float(os.environ.get(SOAK_VARIABLE) or 0)


class Rounds:
    """Counts the rounds of one fault.

    Args:
        seconds: How long this fault is repeated; 0 for the short form.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @property
    def long(self) -> bool:
        """Whether this is a soak."""
        return self._seconds > 0

    def __call__(self, short: int = 1, at_least: int = 1) -> Iterator[int]:
        """Count from 1: to `short` in the short form, else until the time is over and to `at_least` at the least."""
        began, number = time.monotonic(), 0
        while number < short or (self.long and (number < at_least or time.monotonic() - began < self._seconds)):
            number += 1
            yield number
