"""How a run reports its progress."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from rollcall.logs import logger

log = logger(__name__)

_WORTH_A_NOTICE = 30.0
"""Seconds of a wait."""


class Progress(Protocol):
    """Gets the progress of every step of a run."""

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        """Report that a step has done so much (of so much, if that is known)."""
        ...

    def end(self, step: str, done: int) -> None:
        """Report that a step is done."""
        ...

    def wait(self, cause: str, seconds: float) -> None:
        """Report that a request waits so long from now on, and why."""
        ...


class LoggedProgress:
    """One line of the log a step.

    Args:
        site: Name of the site in the settings.
    """

    def __init__(self, site: str) -> None:
        self._site = site

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        """Say nothing: a line for every page would be too much."""

    def end(self, step: str, done: int) -> None:
        """Log that a step is through."""
        log.info("reconcile step done", site=self._site, step=step, count=done)

    def wait(self, cause: str, seconds: float) -> None:
        """Say nothing: the client logs long waits itself."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something under way that people should know of, such as a first backfill.

    Attributes:
        text: A sentence.
        done: Share that is done, 0 to 1; None when nobody knows.
    """

    text: str
    done: float | None = None


class NoticeProgress(LoggedProgress):
    """Progress that the page shows, as `notice`.

    Args:
        site: Name of the site in the settings.
    """

    def __init__(self, site: str) -> None:
        super().__init__(site)
        self.notice = Notice(f"Reading the last days of {site} from Jira")

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        """Change the notice."""
        share = min(1.0, done / expected) if expected else None
        self.notice = Notice(f"Reading {self._site} from Jira: {step}, {done} so far", share)

    def wait(self, cause: str, seconds: float) -> None:
        """Change the notice where it is a long wait."""
        if seconds >= _WORTH_A_NOTICE:
            until = datetime.now(UTC) + timedelta(seconds=seconds)
            text = f"Reading {self._site} from Jira: waits until {until:%H:%M} UTC ({cause})"
            self.notice = Notice(text, self.notice.done)
