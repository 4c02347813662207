"""Issues that sit on Jira's caps and on the edges of time, told by hand instead of drawn.

Jira Cloud: 100 comments and 100 changelog entries a page, 20 worklogs embedded, 1000 worklog ids a page of the
feed, where one millisecond may hold more than a page.
"""

import random
from collections.abc import Callable

from simulator.company.workdays import local_midnight
from simulator.config import DAY_MS, MINUTE_MS, SiteConfig
from simulator.life.birth import Birth, Script
from simulator.life.changes import label, prioritize, transition
from simulator.life.narrator import Narrator

IMPORTS = 12
"""Issues whose worklogs an import writes in the very same millisecond ..."""
IMPORTED = 100
"""... this many on each, together more than a page of the feed."""

Teller = Callable[[Narrator, Birth, random.Random], None]


def script_of(config: SiteConfig, number: int) -> tuple[Script, int] | None:
    """Return script and time of birth of the hard case of this number, None where there is none."""
    start, now = config.start_ms, config.now_ms
    edge = now - 30 * DAY_MS
    cases: list[tuple[Script, int]] = []
    if config.hard_cases:
        cases = [
            ("many_comments", max(start, edge - 3 * DAY_MS)),
            ("many_comments", now - 20 * DAY_MS),
            ("many_histories", max(start, edge - 2 * DAY_MS)),
            ("many_histories", now - 15 * DAY_MS),
            ("many_worklogs", now - 18 * DAY_MS),
            ("edges", edge - 12 * 3_600_000),
            *[("import", now - 10 * DAY_MS + place) for place in range(IMPORTS)],
        ]
    if number < len(cases):
        return cases[number]
    if number - len(cases) < config.crowd:
        return "bare", now - 5 * DAY_MS + (number - len(cases)) // 40
    return None


def many_comments(narrator: Narrator, birth: Birth, rng: random.Random) -> None:
    """Write 130 comments over ten days; at the end others edit the oldest, and one is deleted by another."""
    team = narrator.projects[birth.project].team
    at = birth.at
    for turn in range(130):
        at += 100 * MINUTE_MS + int(rng.random() * MINUTE_MS)
        narrator.create("comment", at, team[turn % len(team)])
    for place in (0, 1, 55):
        at += MINUTE_MS
        narrator.edit("comment", place, at, team[(place + 1) % len(team)])
    narrator.edit("comment", 0, at + MINUTE_MS, team[2 % len(team)])
    narrator.delete("comment", 7, at + 2 * MINUTE_MS, team[0])


def many_histories(narrator: Narrator, birth: Birth, rng: random.Random) -> None:
    """Change the issue 150 times over some days, crossing what one page and ``expand=changelog`` hold."""
    team = narrator.projects[birth.project].team
    at = birth.at
    for turn in range(150):
        at += 40 * MINUTE_MS
        changer = (transition, label, prioritize)[turn % 3]
        narrator.change(at, team[turn % len(team)], changer(narrator.issue, rng, narrator.projects))


def many_worklogs(narrator: Narrator, birth: Birth, _rng: random.Random) -> None:
    """Log work 35 times, for days far away; then one is edited and one deleted by somebody else."""
    team = narrator.projects[birth.project].team
    at = birth.at
    for turn in range(35):
        at += 30 * MINUTE_MS
        narrator.create("worklog", at, team[turn % len(team)], started=at - turn * 3 * DAY_MS)
    narrator.edit("worklog", 3, at + MINUTE_MS, team[0])
    narrator.delete("worklog", 4, at + 2 * MINUTE_MS, team[1 % len(team)])


def imported(narrator: Narrator, birth: Birth, _rng: random.Random) -> None:
    """Log work 100 times in one millisecond, the same on every issue of the import."""
    at = narrator.config.now_ms - 10 * DAY_MS + 5 * MINUTE_MS
    for _ in range(IMPORTED):
        narrator.create("worklog", at, birth.creator)


def edges(narrator: Narrator, birth: Birth, rng: random.Random) -> None:
    """Act around the start of the 30-day window and around midnight in UTC and the reporting zone."""
    config = narrator.config
    team = narrator.projects[birth.project].team
    edge = config.now_ms - 30 * DAY_MS
    day = config.now_ms // DAY_MS - 9
    moments = [edge - 61_000, edge - 500, edge, edge + 500, edge + 61_000]
    for midnight in (day * DAY_MS, local_midnight(config.report_zone, day + 1)):
        moments += [midnight - 60_000, midnight - 400, midnight - 3, midnight + 300, midnight + 60_000]
    for turn, at in enumerate(sorted(moment for moment in moments if moment > birth.at)):
        actor = team[turn % len(team)]
        if turn % 2:
            narrator.change(at, actor, label(narrator.issue, rng, narrator.projects))
        else:
            narrator.create("comment", at, actor)
    narrator.edit("comment", 0, config.now_ms - DAY_MS, team[0])


def bare(_narrator: Narrator, _birth: Birth, _rng: random.Random) -> None:
    """Nothing happens after the creation."""


SCRIPTS: dict[Script, Teller] = {
    "many_comments": many_comments,
    "many_histories": many_histories,
    "many_worklogs": many_worklogs,
    "import": imported,
    "edges": edges,
    "bare": bare,
}
