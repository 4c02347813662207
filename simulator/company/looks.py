"""When people look at a product, and what the organization says of it: up to a day late, with entries of other sites.

Somebody who reads leaves no trace in Jira; here it is known. Those who only read look on most of their working days, or
never came, or have stopped; those who work look where they work, and at what else they hold hardly ever.
"""

import base64
import functools
from datetime import UTC, datetime
from typing import Any

from simulator.chance import mix, share, uuid
from simulator.company.directory import PRODUCT_OF, Directory
from simulator.company.person import CALLER, Person, working_hours, works
from simulator.company.project import projects
from simulator.config import DAY_MS, SiteConfig

_STOPPED_DAYS = 120
"""How long ago those came last who have stopped."""
_OLD_MS = 400 * DAY_MS
_NEW_SHARE = 0.05
_FURTHEST_DAYS = 200


def looked_at(config: SiteConfig, person: Person, product: str, until: int) -> int | None:
    """Return when somebody looked at a product last before a moment, both epoch ms; None for never."""
    return _latest(config, person, product, until, lag=False)


def shown_at(config: SiteConfig, person: Person, product: str, now: int) -> int | None:
    """Return the same as the organization says it now: each look is known up to a day later."""
    return _latest(config, person, product, now, lag=True)


def added_at(config: SiteConfig, person: Person) -> int:
    """Return when an account was added to the organization, epoch ms: long ago, or with the last of the history."""
    if share(config.seed, person.index, 71) < _NEW_SHARE and person.index != CALLER:
        return config.now_ms - int((1 + 20 * share(config.seed, person.index, 72)) * DAY_MS)
    return config.start_ms - _OLD_MS - mix(config.seed, person.index, 73) % DAY_MS


def is_missing(config: SiteConfig, person: Person) -> bool:
    """Return whether the organization does not name an account at all."""
    return share(config.seed, person.index, 74) < config.org_missing_share and person.index != CALLER


def _latest(config: SiteConfig, person: Person, product: str, until: int, *, lag: bool) -> int | None:
    last_day = _last_day(config, person, product)
    if last_day is None:
        return None
    first = config.now_ms // DAY_MS - _FURTHEST_DAYS
    for day in range(min(last_day, until // DAY_MS + 1), first, -1):
        if not works(config.seed, person, day) or share(config.seed, person.index, day, 75) > 0.7:
            continue
        start, end = working_hours(person, day)
        at = start + int(share(config.seed, person.index, day, 76) * (end - start))
        late = int(share(config.seed, person.index, day, 77) * DAY_MS) if lag else 0
        if at + late <= until:
            return at
    return None


@functools.lru_cache(maxsize=65_536)
def _last_day(config: SiteConfig, person: Person, product: str) -> int | None:
    """Return the last epoch day on which somebody comes to a product; None for who never does."""
    if person.account_type != "atlassian" or person.index == CALLER:
        return None
    for_ever, stopped = person.left_day, config.now_ms // DAY_MS - _STOPPED_DAYS
    draw = share(config.seed, person.index, 78)
    if person.energy <= 0:
        return None if draw < 0.3 else stopped if draw < 0.45 else for_ever
    if product in _places(config)[person.index]:
        return for_ever
    other = share(config.seed, person.index, len(product), 79)
    return None if other < 0.5 else stopped if other < 0.8 else for_ever


@functools.lru_cache(maxsize=4)
def _places(config: SiteConfig) -> tuple[frozenset[str], ...]:
    """Return the products in whose projects each account works."""
    found: list[set[str]] = [set() for _ in range(config.people)]
    for project in projects(config):
        for index in project.team:
            found[index].add(PRODUCT_OF[project.type])
    return tuple(map(frozenset, found))


def entries_of(directory: Directory, cloud_id: str, person: Person, now: int) -> list[dict[str, Any]]:
    """Return an account's `productAccess` as the organization shows it: of this site, of another, of other products."""
    config, seed, index = directory.config, directory.config.seed, person.index
    found: list[dict[str, Any]] = []
    for place, product in enumerate(sorted(directory.held(person, now))):
        key = ("jira", "jira-software", "jira-core", product)[mix(seed, index, place, 80) % 4]
        at = shown_at(config, person, product, now)
        if at is not None:
            found.append(_entry(product, cloud_id, key, _nanoseconds(at, mix(seed, index, 81))))
            if share(seed, index, place, 82) < 0.1:  # an older one of the same product
                found.append(_entry(product, cloud_id, key, _nanoseconds(at - DAY_MS, mix(seed, index, 83))))
        elif share(seed, index, place, 84) < 0.3:
            found.append(_entry(product, cloud_id, key, None))
    if person.account_type == "atlassian" and share(seed, index, 85) < 0.4:
        recent = _nanoseconds(now - 3_600_000, mix(seed, index, 86))
        found.append(_entry("jira-software", uuid(seed, 87), "jira-software", recent))
        found.append(_entry("jira-servicedesk", uuid(seed, 87), "jira-servicedesk", recent))
        found.append(_entry("confluence", cloud_id, "confluence", recent))
    turn = mix(seed, index, 88) % (len(found) or 1)
    return found[turn:] + found[:turn]


def _entry(kind: str, cloud_id: str, key: str, at: str | None) -> dict[str, Any]:
    return {"id": f"ari:cloud:{kind}::site/{cloud_id}", "key": key, "lastActiveTimestamp": at}


def _nanoseconds(at: int, draw: int) -> str:
    """Write a moment with a fraction that would go up a millisecond if it were rounded."""
    return f"{moment(at)[:-1]}{500_000 + draw % 499_999:06}Z"


def moment(at: int) -> str:
    """Write a moment, epoch ms, as the organization does, in UTC."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"


def cursor(place: int) -> str:
    """Return the token of the page that begins at a place."""
    return base64.urlsafe_b64encode(f"place:{place}".encode()).decode()


def place_of(token: str) -> int:
    """Return the place of a token. Raises ValueError when it is none of ours."""
    word, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    if word != "place":
        raise ValueError("no token")
    return int(number)
