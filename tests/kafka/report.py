"""What was measured during the outages, for the end of the test run."""

from collections.abc import Callable, Sequence
from typing import Protocol

MEASURED = "measured"
"""The property of a test that holds such a line; `tests/conftest.py` prints them all."""


class Measured(Protocol):
    """The answer to a webhook."""

    @property
    def status(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class Report:
    """Lines for people.

    Args:
        record: pytest's `record_property`, which brings them to the end of the run from every worker.
    """

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def say(self, line: str) -> None:
        self._record(MEASURED, line)

    def add(self, name: str, answers: Sequence[Measured], seconds: float) -> None:
        """Sum up the webhooks that were answered during an outage."""
        accepted = [answer.seconds for answer in answers if answer.status == 204]
        refused = [answer.seconds for answer in answers if answer.status == 503]
        unanswered = sum(answer.status == 0 for answer in answers)
        self.say(
            f"{name}: in {seconds:.1f} s {len(accepted)} accepted ({_spread(accepted)}), "
            f"{len(refused)} refused with 503 ({_spread(refused)}), {unanswered} unanswered"
        )


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    middle, nearly_all = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"p50 {middle:.3f} s, p99 {nearly_all:.3f} s, max {ordered[-1]:.3f} s"
