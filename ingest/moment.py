"""When it happened, by the entity's own clock."""

import msgspec

from ingest.shapes import NUMBER_OR_TEXT, read
from rollcall.errors import NotUnderstoodError
from rollcall.jira_time import ImplausibleTimeError, parse_jira_time

_AHEAD_MS = 86_400_000
"""How far a moment may lie after its receipt: clocks differ, by less than a day."""


def moment(part: msgspec.Raw) -> int | None:
    """Read a moment as epoch milliseconds; None when it is absent or null.

    Raises:
        NotUnderstoodError: It is there and is no moment, or one outside the years 2002 to 2100.
    """
    try:
        value = read(NUMBER_OR_TEXT, part)
        return None if value is None else parse_jira_time(value)
    except ImplausibleTimeError:
        raise NotUnderstoodError("implausible_time", "A time in the payload is outside 2002 to 2100.") from None
    except ValueError:
        raise NotUnderstoodError("bad_time", "A time in the payload is in no form that Jira is known to use.") from None


def first_moment(what: str, *parts: msgspec.Raw) -> int:
    """Read the first of these moments that is there.

    Args:
        what: Name of the moment, for the error.
        parts: Where it may stand, best first.

    Raises:
        NotUnderstoodError: None is there, or the first that is there is no moment.
    """
    for part in parts:
        found = moment(part)
        if found is not None:
            return found
    raise NotUnderstoodError("no_time", f"The payload has no {what}.")


def refuse_future(occurred_at: int, received_at: int) -> None:
    """Refuse a moment that lies more than a day after its receipt, which no clock explains.

    Raises:
        NotUnderstoodError: It does.
    """
    if occurred_at > received_at + _AHEAD_MS:
        raise NotUnderstoodError(
            "implausible_time", "A time in the payload lies more than a day ahead; check this machine's clock."
        )
