"""When a person works: the days, and the hours of a day in the person's own zone. Days are epoch days."""

import functools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from simulator.chance import share
from simulator.company.person import Person
from simulator.config import DAY_MS

HOUR_MS = 3_600_000


def is_weekend(day: int) -> bool:
    """Tell whether this epoch day is a Saturday or Sunday (day 0 was a Thursday)."""
    return (day + 3) % 7 >= 5


def works(seed: int, person: Person, day: int) -> bool:
    """Tell whether the person works on this local day: weekends, days off, weeks off and leaving considered."""
    if day >= person.left_day:
        return False
    if person.account_type == "app":
        return True
    if is_weekend(day) and not (person.weekends and share(seed, person.index, day, 21) < 0.5):
        return False
    if share(seed, person.index, day, 22) < 0.05:
        return False
    return share(seed, person.index, day // 7, 23) >= 0.05


def shift(person: Person, day: int) -> tuple[int, int]:
    """Return start and end of the person's working hours on this local day, epoch ms.

    A night shift ends on the next day.
    """
    start = local_midnight(person.zone, day) + int(person.start_hour * HOUR_MS)
    return start, start + int(person.hours * HOUR_MS)


@functools.lru_cache(maxsize=8192)
def local_midnight(zone: str, day: int) -> int:
    """Return the epoch ms at which this day begins in the zone (by the offset that holds at noon)."""
    noon = datetime.fromtimestamp(day * 86_400 + 43_200, UTC).replace(tzinfo=ZoneInfo(zone))
    offset = noon.utcoffset()
    return day * DAY_MS - (int(offset.total_seconds()) * 1000 if offset else 0)
