"""Ids of everything, worked out from who did what when instead of counted, so that no counter must be kept.

Regions of issue ids: hand-made hard cases first, then live activity, then the ordinary days. Ids of
comments, worklogs and changelog entries carry their issue, so each can be found from its id alone.
"""

import msgspec

from simulator.company.people import roster
from simulator.config import DAY_MS, SiteConfig
from simulator.life.birth import LIFE_DAYS

FIRST = 10_000
SPECIAL = 100_000
LIVE = 1_000_000
SLOTS = 64
"""Issues one account may start on one day."""
PARTS = 4_096
"""Comments, worklogs or changelog entries of one issue, each kind with a count of its own."""


class Origin(msgspec.Struct, frozen=True):
    """Where an issue id comes from: exactly one of special, live tick, or (day, person, slot)."""

    region: str
    number: int = 0
    day: int = 0
    person: int = 0


def first_day(config: SiteConfig) -> int:
    """Return the epoch day on which the site's first ordinary issues are born."""
    return config.start_ms // DAY_MS - LIFE_DAYS


def special_id(number: int) -> int:
    """Return the issue id of the hard case of this number."""
    return FIRST + number


def live_id(tick: int) -> int:
    """Return the issue id of the live story begun at this tick."""
    return FIRST + SPECIAL + tick


def ordinary_id(config: SiteConfig, day: int, person: int, slot: int) -> int:
    """Return the id of the issue that this account starts on this day as its slot-th."""
    place = ((day - first_day(config)) * len(roster(config)) + person) * SLOTS + slot
    return FIRST + SPECIAL + LIVE + place


def origin(config: SiteConfig, issue_id: int) -> Origin | None:
    """Say where an issue id comes from; None for an id no issue can have."""
    place = issue_id - FIRST
    if place < 0:
        return None
    if place < SPECIAL:
        return Origin("special", number=place)
    place -= SPECIAL
    if place < LIVE:
        return Origin("live", number=place)
    rest, slot = divmod(place - LIVE, SLOTS)
    days, person = divmod(rest, len(roster(config)))
    return Origin("ordinary", number=slot, day=first_day(config) + days, person=person)


def number_of(issue_id: int) -> int:
    """Return the number in the issue's key, whatever project it is in."""
    return issue_id - FIRST + 1


def part_id(issue_id: int, number: int) -> int:
    """Return the id of the number-th comment, worklog or changelog entry of the issue."""
    return issue_id * PARTS + number


def issue_of(part: int) -> int:
    """Return the issue id that a comment, worklog or changelog id carries."""
    return part // PARTS
