"""The projects of the site and who works in them."""

import bisect
import functools
import itertools
import random
from typing import Literal

import msgspec

from simulator.chance import mix, share
from simulator.company.person import roster
from simulator.config import SiteConfig

ProjectType = Literal["software", "service_desk", "business", "product_discovery"]

_CONSONANTS, _VOWELS = "BDFGKLMNPRSTVZ", "AEIOU"
_SYLLABLES = [a + b for a, b in itertools.product(_CONSONANTS, _VOWELS)]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project and its team.

    Attributes:
        index: Position among the projects.
        id: Jira's numeric id.
        key: Such as ``BADE``.
        type: Jira's projectTypeKey.
        simplified: Whether it is team-managed.
        team: Indexes of the people who work in it, readers left out.
        members: Indexes of all who are in it, readers too.
        weights: Running sum of the team's energies.
        customers: Indexes of portal customers; only service desks have some.
    """

    index: int
    id: int
    key: str
    type: ProjectType
    simplified: bool
    team: tuple[int, ...]
    members: tuple[int, ...]
    weights: tuple[float, ...]
    customers: tuple[int, ...]

    def pick(self, rng: random.Random) -> int:
        """Draw one of the team, the busy ones more often."""
        return self.team[bisect.bisect(self.weights, rng.random() * self.weights[-1], 0, len(self.team) - 1)]


@functools.lru_cache(maxsize=4)
def projects(config: SiteConfig) -> tuple[Project, ...]:
    """Return the projects: about one for twelve people, 3 to 400 of them, four people or more in each."""
    people = roster(config)
    count = max(3, min(400, config.people // 12))
    members: list[dict[int, None]] = [{} for _ in range(count)]
    workers = [person.index for person in people if person.energy > 0 and person.account_type == "atlassian"]
    for person in people[: config.people]:
        for turn in range(1 + (share(config.seed, person.index, 31) < 0.4)):
            members[mix(config.seed, person.index, 32 + turn) % count][person.index] = None
    guests = [person.index for person in people if person.account_type == "customer"]
    made = []
    for index in range(count):
        kind = _type(config, index)
        for turn in range(4):
            if workers:
                members[index].setdefault(workers[mix(config.seed, index, 35 + turn) % len(workers)])
        team = tuple(i for i in members[index] if people[i].energy > 0) or tuple(workers[:1]) or (0,)
        made.append(
            Project(
                index=index,
                id=10_000 + index,
                key=_key(index),
                type=kind,
                simplified=share(config.seed, index, 34) < 0.3,
                team=team,
                members=tuple(members[index]),
                weights=tuple(itertools.accumulate(people[i].energy or 0.1 for i in team)),
                customers=tuple(guests) if kind == "service_desk" else (),
            )
        )
    return tuple(made)


@functools.lru_cache(maxsize=4)
def homes(config: SiteConfig) -> tuple[tuple[int, ...], ...]:
    """Return for every account the projects in which it starts issues."""
    found: list[list[int]] = [[] for _ in roster(config)]
    desks = []
    for project in projects(config):
        if project.type == "service_desk":
            desks.append(project.index)
        for member in project.team:
            found[member].append(project.index)
    for person in roster(config):
        if person.account_type == "customer":
            found[person.index] = list(desks)
        elif person.account_type == "app":
            found[person.index] = [mix(config.seed, person.index, 33) % len(projects(config))]
    return tuple(map(tuple, found))


def _type(config: SiteConfig, index: int) -> ProjectType:
    first: tuple[ProjectType, ...] = ("software", "service_desk", "business")
    if index < len(first):
        return first[index]
    draw = share(config.seed, index, 30)
    if draw < 0.7:
        return "software"
    return "service_desk" if draw < 0.85 else "business" if draw < 0.95 else "product_discovery"


def _key(index: int) -> str:
    """Return a pronounceable key; 70 first syllables times 70 second ones are more than enough."""
    spread = index * 37 % (len(_SYLLABLES) ** 2)
    return _SYLLABLES[spread % len(_SYLLABLES)] + _SYLLABLES[spread // len(_SYLLABLES)]
