"""Which issues are born when. Every birth follows from (seed, day, person) or from its number, and from no other."""

from collections.abc import Iterator

from simulator.chance import mix, poisson, share
from simulator.company.people import roster
from simulator.company.projects import homes, projects
from simulator.company.workdays import shift, works
from simulator.config import DAY_MS, MINUTE_MS, SiteConfig
from simulator.life.birth import Birth
from simulator.life.hardcases import script_of
from simulator.life.numbering import LIVE, SLOTS, live_id, ordinary_id, origin, special_id

MEAN_ACTS = 9.3
"""Measured mean length of an ordinary story, by which births are scaled to acts."""


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
    start, end = shift(person, day)
    for slot in range(min(SLOTS, poisson(mean, share(config.seed, index, day, 41)))):
        at = start + int(share(config.seed, index, day, 42, slot) * (end - start))
        place = places[mix(config.seed, index, day, 43, slot) % len(places)]
        yield Birth(ordinary_id(config, day, index, slot), index, place, at)


def special(config: SiteConfig, number: int) -> Birth | None:
    """Return the hard case of this number, None past the last."""
    found = script_of(config, number)
    if not found:
        return None
    script, at = found
    project = projects(config)[mix(config.seed, number, 44) % len(projects(config))]
    return Birth(special_id(number), project.team[0], project.index, at, script, number)


def specials(config: SiteConfig) -> Iterator[Birth]:
    """Yield every hard case."""
    number = 0
    while birth := special(config, number):
        yield birth
        number += 1


def live(config: SiteConfig, tick: int) -> Birth | None:
    """Return the live story begun at this tick; None when the site has no live activity."""
    if not config.live_start_ms or config.live_per_minute <= 0 or not 0 <= tick < LIVE:
        return None
    at = config.live_start_ms + int(tick * MEAN_ACTS / config.live_per_minute * MINUTE_MS)
    project = projects(config)[mix(config.seed, tick, 45) % len(projects(config))]
    creator = project.team[mix(config.seed, tick, 46) % len(project.team)]
    return Birth(live_id(tick), creator, project.index, at, "live", tick)


def live_between(config: SiteConfig, since: int, until: int) -> Iterator[Birth]:
    """Yield the live stories begun from ``since`` to before ``until``, epoch ms."""
    if not config.live_start_ms or config.live_per_minute <= 0:
        return
    pause = MEAN_ACTS / config.live_per_minute * MINUTE_MS
    tick = max(0, int((since - config.live_start_ms) / pause) - 1)
    while (birth := live(config, tick)) and birth.at < until:
        if birth.at >= since:
            yield birth
        tick += 1


def birth_of(config: SiteConfig, issue_id: int) -> Birth | None:
    """Return how the issue of this id begins; None when there never is one."""
    found = origin(config, issue_id)
    if found is None:
        return None
    if found.region == "special":
        return special(config, found.number)
    if found.region == "live":
        return live(config, found.number)
    if found.day > config.now_ms // DAY_MS + 3_660:
        return None
    births = born_by(config, found.day, found.person)
    return next((birth for birth in births if birth.issue_id == issue_id), None)
