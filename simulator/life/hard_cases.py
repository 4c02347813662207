"""Issues that sit on Jira's caps and on the edges of time, written by hand instead of drawn.

Jira Cloud: 100 comments and 100 changelog entries a page, 20 worklogs embedded, 1000 worklog ids a page of the
feed, where one millisecond may hold more than a page.
"""

import random
from collections.abc import Callable

from simulator.company.person import local_midnight
from simulator.config import DAY_MS, MINUTE_MS
from simulator.life.birth import IMPORTED_WORKLOGS, Birth, Scenario
from simulator.life.changes import label, prioritize, transition
from simulator.life.editor import IssueEditor

ScenarioFunction = Callable[[IssueEditor, Birth, random.Random], None]


def many_comments(editor: IssueEditor, birth: Birth, rng: random.Random) -> None:
    """Write 130 comments over ten days; at the end others edit the oldest, and one is deleted by another."""
    team = editor.projects[birth.project].team
    at = birth.at
    for turn in range(130):
        at += 100 * MINUTE_MS + int(rng.random() * MINUTE_MS)
        editor.create("comment", at, team[turn % len(team)])
    for place in (0, 1, 55):
        at += MINUTE_MS
        editor.edit("comment", place, at, team[(place + 1) % len(team)])
    editor.edit("comment", 0, at + MINUTE_MS, team[2 % len(team)])
    editor.delete("comment", 7, at + 2 * MINUTE_MS, team[0])


def many_histories(editor: IssueEditor, birth: Birth, rng: random.Random) -> None:
    """Change the issue 150 times over some days, crossing what one page and ``expand=changelog`` hold."""
    team = editor.projects[birth.project].team
    at = birth.at
    for turn in range(150):
        at += 40 * MINUTE_MS
        changer = (transition, label, prioritize)[turn % 3]
        editor.change(at, team[turn % len(team)], changer(editor.issue, rng, editor.projects))


def many_worklogs(editor: IssueEditor, birth: Birth, _rng: random.Random) -> None:
    """Log work 35 times, for days far away; then one is edited and one deleted by somebody else."""
    team = editor.projects[birth.project].team
    at = birth.at
    for turn in range(35):
        at += 30 * MINUTE_MS
        editor.create("worklog", at, team[turn % len(team)], started=at - turn * 3 * DAY_MS)
    editor.edit("worklog", 3, at + MINUTE_MS, team[0])
    editor.delete("worklog", 4, at + 2 * MINUTE_MS, team[1 % len(team)])


def imported(editor: IssueEditor, birth: Birth, _rng: random.Random) -> None:
    """Log work 100 times in one millisecond, the same on every issue of the import."""
    at = editor.config.now_ms - 10 * DAY_MS + 5 * MINUTE_MS
    for _ in range(IMPORTED_WORKLOGS):
        editor.create("worklog", at, birth.creator)


def edges(editor: IssueEditor, birth: Birth, rng: random.Random) -> None:
    """Act around the start of the 30-day window and around midnight in UTC and the reporting zone."""
    config = editor.config
    team = editor.projects[birth.project].team
    edge = config.now_ms - 30 * DAY_MS
    day = config.now_ms // DAY_MS - 9
    moments = [edge - 61_000, edge - 500, edge, edge + 500, edge + 61_000]
    for midnight in (day * DAY_MS, local_midnight(config.report_zone, day + 1)):
        moments += [midnight - 60_000, midnight - 400, midnight - 3, midnight + 300, midnight + 60_000]
    for turn, at in enumerate(sorted(moment for moment in moments if moment > birth.at)):
        actor = team[turn % len(team)]
        if turn % 2:
            editor.change(at, actor, label(editor.issue, rng, editor.projects))
        else:
            editor.create("comment", at, actor)
    editor.edit("comment", 0, config.now_ms - DAY_MS, team[0])


def bare(_editor: IssueEditor, _birth: Birth, _rng: random.Random) -> None:
    """Nothing happens after the creation."""


SCENARIOS: dict[Scenario, ScenarioFunction] = {
    "many_comments": many_comments,
    "many_histories": many_histories,
    "many_worklogs": many_worklogs,
    "import": imported,
    "edges": edges,
    "bare": bare,
}
