"""The life cycle of an issue, from its birth alone: a pure function, so nothing of it must be stored.

First the steps, when things happen and who does them (working days and hours, teams, bulk changes); then the acts.
"""

import bisect
import random
from typing import NamedTuple

from simulator.chance import dice, mix, share
from simulator.company.person import automation, is_weekend, roster, working_hours, works
from simulator.company.project import Project, projects
from simulator.config import DAY_MS, SiteConfig
from simulator.life.act import Act
from simulator.life.birth import LIFE_DAYS, Birth
from simulator.life.changes import CHANCES, CHANGES, label, prioritize
from simulator.life.editor import Family, IssueEditor
from simulator.life.hard_cases import SCENARIOS

MEAN_STEPS = 9.5
"""Steps after the creation that a lifecycle is planned with; some fall on days off and do not happen."""


class Step(NamedTuple):
    """Somebody works on the issue: epoch ms, index, and whether as one of many at once."""

    at: int
    actor: int
    bulk: bool = False


def ordinary_steps(config: SiteConfig, birth: Birth, rng: random.Random) -> list[Step]:
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
            start, end = working_hours(person, day)
            if end <= birth.at + 60_000:
                day += 1
                continue
            start = max(start, birth.at + 1_000)
            steps.append(Step(start + int(rng.random() * (end - start)), actor))
            break
    return steps + _bulk_steps(config, birth, first, max((step.at for step in steps), default=birth.at))


def live_steps(config: SiteConfig, birth: Birth, rng: random.Random) -> list[Step]:
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
    start, end = working_hours(person, day)
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


GAP_MS = 200
"""Least time between two acts on one issue, more than the spread of Jira's own times for one act."""


def lifecycle(config: SiteConfig, birth: Birth) -> list[Act]:
    """Return every act of the issue's lifecycle in order of time, the creation first."""
    rng = dice(config.seed, birth.issue_id, birth.salt)
    editor = IssueEditor(config, birth, rng)
    scenario = SCENARIOS.get(birth.scenario)
    if scenario:
        scenario(editor, birth, rng)
        return editor.acts
    plan = live_steps if birth.scenario == "live" else ordinary_steps
    steps = sorted(plan(config, birth, rng))
    fatal = len(steps) > 1 and rng.random() < 0.02
    robot = automation(config)
    people = roster(config)
    at = birth.at
    for place, step in enumerate(steps):
        at = max(step.at, at + GAP_MS)
        if step.bulk:
            editor.change(at, step.actor, label(editor.issue, rng, editor.projects), bulk=True)
            continue
        if people[step.actor].account_type == "customer":
            editor.create("comment", at, step.actor)
            continue
        if fatal and place == len(steps) - 1:
            editor.delete_issue(at, step.actor)
            break
        kind = _step(editor, at, step.actor, rng)
        if kind == "issue_generic" and rng.random() < 0.15:
            at += 800 + int(rng.random() * 2_000)
            editor.change(at, robot, prioritize(editor.issue, rng, editor.projects))
    return editor.acts


def _step(editor: IssueEditor, at: int, actor: int, rng: random.Random) -> str:
    """Let the actor do one thing that the issue's state allows; returns the event's name."""
    draw = rng.random()
    if draw < 0.53:
        changer = CHANGES[bisect.bisect(CHANCES, rng.random(), 0, len(CHANGES) - 1)]
        return editor.change(at, actor, changer(editor.issue, rng, editor.projects)).event
    if draw < 0.54:
        return editor.touch(at, actor).event
    family: Family = "comment" if draw < 0.84 else "worklog"
    place = _target(editor, family, actor, rng)
    act = rng.random()
    if act >= 0.30 or place < 0:
        # The day a worklog is for lies anywhere; it says nothing about when somebody was active.
        started = at - int(rng.random() * rng.choice((3_600_000, DAY_MS, 40 * DAY_MS)))
        return editor.create(family, at, actor, started=started).event
    if act < 0.20:
        return editor.edit(family, place, at, actor).event
    if act < 0.22 and editor.live[family][place].created == editor.live[family][place].updated:
        return editor.touch_entry(family, place, at, actor).event
    return editor.delete(family, place, at, actor).event


def _target(editor: IssueEditor, family: Family, actor: int, rng: random.Random) -> int:
    """Pick a live comment or worklog: mostly the actor's own, at times another's; -1 for none."""
    entries = editor.live[family]
    own = [place for place, entry in enumerate(entries) if entry.author == actor]
    if own and rng.random() < 0.75:
        return rng.choice(own)
    return int(rng.random() * len(entries)) if entries and rng.random() < 0.5 else -1
