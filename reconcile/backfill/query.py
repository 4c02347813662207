"""The query for candidate issues: everything that moved since the window's beginning.

Whatever makes a fact moves an issue's ``updated`` (Atlassian docs, connectors), and creation is a move too. Jira reads
times in JQL to the minute and in the calling account's time zone.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rollcall.errors import RollcallError


class UnknownZoneError(RollcallError):
    """The account's time zone is not known on this machine, so no time can be written for JQL."""


def candidates(since: int, now: int, zone_name: str | None) -> str:
    """Return the query.

    Args:
        since: From when, epoch ms; cut to the minute.
        now: Jira's present, epoch ms; used where the zone is not told.
        zone_name: Time zone of the account that asks; None when Jira does not tell it.

    Raises:
        UnknownZoneError: Time zone data is missing on this machine.
    """
    # In order of creation, which never changes: by `updated`, issues would jump pages while they are read.
    if zone_name is None:
        minutes = (now - since) // 60_000 + 2
        return f'updated >= "-{minutes}m" ORDER BY created ASC'
    try:
        zone = ZoneInfo(zone_name)
    except (KeyError, ValueError, OSError):
        raise UnknownZoneError(
            f"the account's time zone {zone_name!r} is not known here; install the tzdata package, or set the "
            "account's profile to UTC"
        ) from None
    local = datetime.fromtimestamp(since / 1000, UTC).astimezone(zone)
    return f'updated >= "{local:%Y-%m-%d %H:%M}" ORDER BY created ASC'
