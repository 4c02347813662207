"""The whole life of an issue, told from its birth alone: a pure function, so nothing of it must be kept."""

import bisect
import random

from simulator.chance import dice
from simulator.company.people import automation, roster
from simulator.config import DAY_MS, SiteConfig
from simulator.life import timeline
from simulator.life.act import Act
from simulator.life.birth import Birth
from simulator.life.changes import CHANCES, CHANGERS, label, prioritize
from simulator.life.hardcases import SCRIPTS
from simulator.life.narrator import Family, Narrator

GAP_MS = 200
"""Least time between two acts on one issue, more than the spread of Jira's own times for one act."""


def tell(config: SiteConfig, birth: Birth) -> list[Act]:
    """Return every act of the issue's life in order of time, the creation first."""
    rng = dice(config.seed, birth.issue_id, birth.salt)
    narrator = Narrator(config, birth, rng)
    script = SCRIPTS.get(birth.script)
    if script:
        script(narrator, birth, rng)
        return narrator.acts
    plan = timeline.live if birth.script == "live" else timeline.ordinary
    steps = sorted(plan(config, birth, rng))
    fatal = len(steps) > 1 and rng.random() < 0.02
    robot = automation(config)
    people = roster(config)
    at = birth.at
    for place, step in enumerate(steps):
        at = max(step.at, at + GAP_MS)
        if step.bulk:
            narrator.change(at, step.actor, label(narrator.issue, rng, narrator.projects), bulk=True)
            continue
        if people[step.actor].account_type == "customer":
            narrator.create("comment", at, step.actor)
            continue
        if fatal and place == len(steps) - 1:
            narrator.delete_issue(at, step.actor)
            break
        kind = _step(narrator, at, step.actor, rng)
        if kind == "issue_generic" and rng.random() < 0.15:
            at += 800 + int(rng.random() * 2_000)
            narrator.change(at, robot, prioritize(narrator.issue, rng, narrator.projects))
    return narrator.acts


def _step(narrator: Narrator, at: int, actor: int, rng: random.Random) -> str:
    """Let the actor do one thing that the issue's state allows; returns the event's name."""
    draw = rng.random()
    if draw < 0.53:
        changer = CHANGERS[bisect.bisect(CHANCES, rng.random(), 0, len(CHANGERS) - 1)]
        return narrator.change(at, actor, changer(narrator.issue, rng, narrator.projects)).event
    if draw < 0.54:
        return narrator.touch(at, actor).event
    family: Family = "comment" if draw < 0.84 else "worklog"
    place = _target(narrator, family, actor, rng)
    act = rng.random()
    if act >= 0.30 or place < 0:
        # The day a worklog is for lies anywhere; it says nothing about when somebody was active.
        started = at - int(rng.random() * rng.choice((3_600_000, DAY_MS, 40 * DAY_MS)))
        return narrator.create(family, at, actor, started=started).event
    if act < 0.20:
        return narrator.edit(family, place, at, actor).event
    if act < 0.22 and narrator.live[family][place].created == narrator.live[family][place].updated:
        return narrator.touch_entry(family, place, at, actor).event
    return narrator.delete(family, place, at, actor).event


def _target(narrator: Narrator, family: Family, actor: int, rng: random.Random) -> int:
    """Pick a live comment or worklog: mostly the actor's own, at times another's; -1 for none."""
    entries = narrator.live[family]
    own = [place for place, entry in enumerate(entries) if entry.author == actor]
    if own and rng.random() < 0.75:
        return rng.choice(own)
    return int(rng.random() * len(entries)) if entries and rng.random() < 0.5 else -1
