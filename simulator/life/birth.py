"""The births of issues: who starts which issue when, and the ids that follow from it.

Every birth follows from (seed, day, person) or from its number, and from no other. Ids of everything are worked out
from who did what when instead of counted, so that there is no counter to store. Regions of issue ids: hard cases first,
then live activity, then the ordinary days. Ids of comments, worklogs and changelog entries carry their issue, so each
can be found from its id alone.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from simulator.chance import mix, poisson, share
from simulator.company.person import roster, working_hours, works
from simulator.company.project import homes, projects
from simulator.config import DAY_MS, MINUTE_MS, SiteConfig

LIFE_DAYS = 21
"""No issue lives longer, which bounds what has to be in memory to compute a day."""

Scenario = Literal["ordinary", "live", "bare", "many_comments", "many_histories", "many_worklogs", "import", "edges"]


class Birth(msgspec.Struct, frozen=True):
    """How an issue begins.

    Attributes:
        issue_id: Its id.
        creator: Index of who creates it.
        project: Index of its project.
        at: When, epoch ms.
        scenario: Which kind of lifecycle follows.
        salt: Distinguishes issues of one scenario.
    """

    issue_id: int
    creator: int
    project: int
    at: int
    scenario: Scenario = "ordinary"
    salt: int = 0


FIRST_ID = 10_000
SPECIAL_IDS = 100_000
LIVE_IDS = 1_000_000
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
    return FIRST_ID + number


def live_id(tick: int) -> int:
    """Return the issue id of the live issue begun at this tick."""
    return FIRST_ID + SPECIAL_IDS + tick


def ordinary_id(config: SiteConfig, day: int, person: int, slot: int) -> int:
    """Return the id of the issue that this account starts on this day as its slot-th."""
    place = ((day - first_day(config)) * len(roster(config)) + person) * SLOTS + slot
    return FIRST_ID + SPECIAL_IDS + LIVE_IDS + place


def origin_of(config: SiteConfig, issue_id: int) -> Origin | None:
    """Return where an issue id comes from; None for an id no issue can have."""
    place = issue_id - FIRST_ID
    if place < 0:
        return None
    if place < SPECIAL_IDS:
        return Origin("special", number=place)
    place -= SPECIAL_IDS
    if place < LIVE_IDS:
        return Origin("live", number=place)
    rest, slot = divmod(place - LIVE_IDS, SLOTS)
    days, person = divmod(rest, len(roster(config)))
    return Origin("ordinary", number=slot, day=first_day(config) + days, person=person)


def number_of(issue_id: int) -> int:
    """Return the number in the issue's key, whatever project it is in."""
    return issue_id - FIRST_ID + 1


def part_id(issue_id: int, number: int) -> int:
    """Return the id of the number-th comment, worklog or changelog entry of the issue."""
    return issue_id * PARTS + number


def issue_of(part: int) -> int:
    """Return the issue id that a comment, worklog or changelog id carries."""
    return part // PARTS


MEAN_ACTS = 9.3
"""Measured mean length of an ordinary lifecycle, by which births are scaled to acts."""


def born_on(config: SiteConfig, day: int) -> Iterator[Birth]:
    """Yield the ordinary births of this epoch day, each in its creator's own zone."""
    for person in range(len(roster(config))):
        yield from born_by(config, day, person)


def born_by(config: SiteConfig, day: int, index: int) -> Iterator[Birth]:
    """Yield the issues that this account starts on this epoch day."""
    person = roster(config)[index]
    places = homes(config)[index]
    if not person.energy or not places or not works(config.seed, person, day):
        return
    mean = config.acts_per_day / MEAN_ACTS * person.energy
    start, end = working_hours(person, day)
    for slot in range(min(SLOTS, poisson(mean, share(config.seed, index, day, 41)))):
        at = start + int(share(config.seed, index, day, 42, slot) * (end - start))
        place = places[mix(config.seed, index, day, 43, slot) % len(places)]
        yield Birth(ordinary_id(config, day, index, slot), index, place, at)


def special_birth(config: SiteConfig, number: int) -> Birth | None:
    """Return the hard case of this number, None past the last."""
    found = scenario_of(config, number)
    if not found:
        return None
    scenario, at = found
    project = projects(config)[mix(config.seed, number, 44) % len(projects(config))]
    return Birth(special_id(number), project.team[0], project.index, at, scenario, number)


def special_births(config: SiteConfig) -> Iterator[Birth]:
    """Yield every hard case."""
    number = 0
    while birth := special_birth(config, number):
        yield birth
        number += 1


def live_birth(config: SiteConfig, tick: int) -> Birth | None:
    """Return the live issue begun at this tick; None when the site has no live activity."""
    if not config.live_start_ms or config.live_per_minute <= 0 or not 0 <= tick < LIVE_IDS:
        return None
    at = config.live_start_ms + int(tick * MEAN_ACTS / config.live_per_minute * MINUTE_MS)
    project = projects(config)[mix(config.seed, tick, 45) % len(projects(config))]
    creator = project.team[mix(config.seed, tick, 46) % len(project.team)]
    return Birth(live_id(tick), creator, project.index, at, "live", tick)


def live_births(config: SiteConfig, since: int, until: int) -> Iterator[Birth]:
    """Yield the live issues begun from ``since`` to before ``until``, epoch ms."""
    if not config.live_start_ms or config.live_per_minute <= 0:
        return
    pause = MEAN_ACTS / config.live_per_minute * MINUTE_MS
    tick = max(0, int((since - config.live_start_ms) / pause) - 1)
    while (birth := live_birth(config, tick)) and birth.at < until:
        if birth.at >= since:
            yield birth
        tick += 1


def birth_of(config: SiteConfig, issue_id: int) -> Birth | None:
    """Return how the issue of this id begins; None when there never is one."""
    found = origin_of(config, issue_id)
    if found is None:
        return None
    if found.region == "special":
        return special_birth(config, found.number)
    if found.region == "live":
        return live_birth(config, found.number)
    if found.day > config.now_ms // DAY_MS + 3_660:
        return None
    births = born_by(config, found.day, found.person)
    return next((birth for birth in births if birth.issue_id == issue_id), None)


IMPORTED_ISSUES = 12
"""Issues whose worklogs an import writes in the very same millisecond ..."""

IMPORTED_WORKLOGS = 100
"""... this many on each, together more than a page of the feed."""


def scenario_of(config: SiteConfig, number: int) -> tuple[Scenario, int] | None:
    """Return scenario and time of birth of the hard case of this number, None where there is none."""
    start, now = config.start_ms, config.now_ms
    edge = now - 30 * DAY_MS
    cases: list[tuple[Scenario, int]] = []
    if config.hard_cases:
        cases = [
            ("many_comments", max(start, edge - 3 * DAY_MS)),
            ("many_comments", now - 20 * DAY_MS),
            ("many_histories", max(start, edge - 2 * DAY_MS)),
            ("many_histories", now - 15 * DAY_MS),
            ("many_worklogs", now - 18 * DAY_MS),
            ("edges", edge - 12 * 3_600_000),
            *[("import", now - 10 * DAY_MS + place) for place in range(IMPORTED_ISSUES)],
        ]
    if number < len(cases):
        return cases[number]
    if number - len(cases) < config.crowd:
        return "bare", now - 5 * DAY_MS + (number - len(cases)) // 40
    return None
