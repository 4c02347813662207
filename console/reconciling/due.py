"""When a site's daily run is due.

Asked again and again rather than awaited once: so a run that was missed because nothing ran at its hour is due at the
next start, the first one of all is due at once, and a changed clock does no harm.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def last_turn(now: datetime, at: str, zone: ZoneInfo) -> datetime:
    """Return the latest moment, up to now, at which the day's run should have begun.

    Args:
        now: An aware moment.
        at: Time of day, ``HH:MM``. One that the clocks skip in spring counts an hour later, one that they repeat in
            autumn counts once.
        zone: The zone that the time is in.
    """
    hour, minute = map(int, at.split(":"))
    local = now.astimezone(zone)
    turn = datetime(local.year, local.month, local.day, hour, minute, tzinfo=zone)
    # Compared as moments: two times of one zone would be compared by their faces.
    if turn.timestamp() <= now.timestamp():
        return turn
    before = local.date() - timedelta(days=1)
    return datetime(before.year, before.month, before.day, hour, minute, tzinfo=zone)


def is_due(now: datetime, last_whole: datetime | None, at: str, zone: ZoneInfo) -> bool:
    """Return whether a run should begin now: never was a whole one, or the last began before the latest turn."""
    return last_whole is None or last_whole.timestamp() < last_turn(now, at, zone).timestamp()
