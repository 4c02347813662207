"""Jira's ways to write a time, read into epoch milliseconds.

Jira Cloud writes entity times as ISO 8601 with milliseconds and an offset without a colon
(``2026-09-23T00:18:35.652+0530``), in the site's default zone; webhook envelopes and the worklog feeds use epoch
milliseconds; ``changelog/bulkfetch`` has been seen with either, and with epoch numbers as strings.
"""

import re
from datetime import UTC, datetime

EARLIEST_MS = 1_009_843_200_000
"""2002-01-01 UTC, the year of Jira's first release: nothing in Jira is older."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01 UTC: a later moment is a broken clock."""

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s?(Z|z|[+-]\d{2}(?::?\d{2})?)", re.ASCII)
_DIGITS = re.compile(r"\d{9,13}", re.ASCII)
_SECONDS_BELOW = 10_000_000_000
"""An epoch number below this is seconds (year 2286); as milliseconds it would be before May 1970."""


class ImplausibleTimeError(ValueError):
    """A moment outside 2002 to 2100: no time of anything in Jira."""


def parse_jira_time(value: object) -> int:
    """Read a moment as Jira writes it.

    Args:
        value: An ISO 8601 string with an offset, an epoch number, or a string of digits. Epoch numbers are
            milliseconds; those too small to be milliseconds after 1970 are taken as seconds.

    Returns:
        Epoch milliseconds (fractions below a millisecond cut off).

    Raises:
        ImplausibleTimeError: It lies outside 2002 to 2100. The text never repeats the value.
        ValueError: It is no such moment, or has no offset. Likewise.
    """
    if isinstance(value, str):
        match = _ISO.fullmatch(value)
        moment = _from_iso(match) if match else _from_digits(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        moment = _from_number(value)
    else:
        raise ValueError("not a time: neither text nor a whole number")
    if not EARLIEST_MS <= moment < LATEST_MS:
        raise ImplausibleTimeError("time outside the years 2002 to 2100")
    return moment


def _from_iso(match: re.Match[str]) -> int:
    day, clock, fraction, offset = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        raise ValueError("not a time: no such day, hour or offset") from None
    seconds = int((whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 1000 + int((fraction or "0")[:3].ljust(3, "0"))


def _from_digits(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError("not a time: no ISO 8601 moment with an offset and no epoch number")
    return _from_number(int(text))


def _from_number(number: int) -> int:
    return number * 1000 if number < _SECONDS_BELOW else number
