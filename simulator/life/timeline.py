"""When things happen in an issue's life and who does them: working days and hours, teams, bulk changes."""

import random
from typing import NamedTuple

from simulator.chance import mix, share
from simulator.company.people import roster
from simulator.company.projects import Project, projects
from simulator.company.workdays import is_weekend, shift, works
from simulator.config import DAY_MS, SiteConfig
from simulator.life.birth import LIFE_DAYS, Birth

MEAN_STEPS = 9.5
"""Steps after the creation that a story is planned with; some fall on days off and do not happen."""


class Step(NamedTuple):
    """Somebody turns to the issue: epoch ms, index, and whether as one of many at once."""

    at: int
    actor: int
    bulk: bool = False


def ordinary(config: SiteConfig, birth: Birth, rng: random.Random) -> list[Step]:
    """Plan an ordinary life: most steps in the first days, by the team, the creator and at times anyone."""
    people = roster(config)
    project = projects(config)[birth.project]
    first = birth.at // DAY_MS
    steps = []
    for _ in range(min(90, int(rng.expovariate(1 / MEAN_STEPS)))):
        day = first + min(LIFE_DAYS - 3, int(rng.expovariate(0.55)))
        if is_weekend(day) and rng.random() < 0.95:
            day += 2
        for _attempt in range(4):
            actor = _actor(config, birth, project, rng)
            person = people[actor]
            if not works(config.seed, person, day):
                continue
            start, end = shift(person, day)
            if end <= birth.at + 60_000:
                day += 1
                continue
            start = max(start, birth.at + 1_000)
            steps.append(Step(start + int(rng.random() * (end - start)), actor))
            break
    return steps + _bulk_steps(config, birth, first, max((step.at for step in steps), default=birth.at))


def live(config: SiteConfig, birth: Birth, rng: random.Random) -> list[Step]:
    """Plan a life in minutes instead of days, for live activity: whoever is about, at once."""
    project = projects(config)[birth.project]
    at = birth.at
    steps = []
    for _ in range(min(40, int(rng.expovariate(1 / MEAN_STEPS)))):
        at += 1_500 + int(rng.expovariate(1 / 20_000))
        steps.append(Step(at, _actor(config, birth, project, rng)))
    return steps


def bulk_change(config: SiteConfig, project: Project, day: int) -> Step | None:
    """Return the bulk change of this project on this epoch day, if there is one: about one in forty days."""
    if share(config.seed, project.index, day, 51) >= 0.025:
        return None
    actor = project.team[mix(config.seed, project.index, day, 52) % len(project.team)]
    person = roster(config)[actor]
    if not works(config.seed, person, day):
        return None
    start, end = shift(person, day)
    return Step(start + int(share(config.seed, project.index, day, 53) * (end - start)), actor, bulk=True)


def _bulk_steps(config: SiteConfig, birth: Birth, first: int, last_at: int) -> list[Step]:
    """Return the bulk changes that reach this issue while it lives; each issue a little after the one before."""
    project = projects(config)[birth.project]
    found = []
    for day in range(first, last_at // DAY_MS + 1):
        step = bulk_change(config, project, day)
        if step and birth.at < step.at <= last_at and share(config.seed, birth.issue_id, day, 54) < 0.5:
            found.append(step._replace(at=step.at + mix(birth.issue_id, day) % 20_000))
    return found


def _actor(config: SiteConfig, birth: Birth, project: Project, rng: random.Random) -> int:
    draw = rng.random()
    if draw < 0.25:
        return birth.creator
    if draw < 0.27:
        # Somebody from anywhere in the company looks in.
        other = projects(config)[int(rng.random() * len(projects(config)))]
        return other.pick(rng)
    return project.pick(rng)
