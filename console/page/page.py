"""What the page shows and where it takes it from."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rollcall.eventlog import EventLog
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Notice:
    """Something under way that people should know of, such as a first backfill.

    Attributes:
        text: A sentence.
        done: Share that is done, 0 to 1; None when nobody knows.
    """

    text: str
    done: float | None = None


def at_once() -> bool:
    """The warehouse was prepared by somebody else."""
    return True


def no_notices() -> Sequence[Notice]:
    """Nothing is under way."""
    return ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the page stands on.

    Attributes:
        settings: All settings.
        warehouse: Where the numbers come from.
        event_log: Whose state is shown.
        consumers: Raises RollcallError, with the trouble as its text, unless every consumer runs; None in a process
            that has no consumers.
        prepared: Whether the warehouse has its tables; until then the page asks it nothing.
        notices: What is under way now; asked at every look.
        listen: The address that the page is served on, when it is not the one of the settings.
    """

    settings: Settings
    warehouse: Warehouse
    event_log: EventLog
    consumers: Callable[[], Awaitable[None]] | None = None
    prepared: Callable[[], bool] = at_once
    notices: Callable[[], Sequence[Notice]] = no_notices
    listen: str = ""
