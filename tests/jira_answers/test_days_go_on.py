"""`up` through some days with a fault that lasts: the days after it are read, and the gap mends when the fault ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconcile import run, schedule
from reconcile.state.checkpoint import Checkpoint, FeedCursor, place_of, read_last_run, why_new
from reconcile.state.window import Window
from rollcall.settings import Settings

from ..reconcile.backfilling import appended
from ..reconcile.installed import installed
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import JiraSite, hurried, jira_site, settings_for
from .answering import CHANGELOGS, COMMENTS, SEARCH, SITE, UPDATED, WORKLOGS, broken, busiest

pytestmark = pytest.mark.anyio

DAY = 86_400_000


async def a_day(given: Settings, monkeypatch: pytest.MonkeyPatch, jira: JiraSite) -> None:
    """Let a day pass at the site and here, and do the run that falls due."""
    jira.site.clock.advance(DAY)
    for module in (run, schedule):
        monkeypatch.setattr(module, "now_ms", jira.site.clock.now)
    async with installed(given) as rollcall:
        monkeypatch.setattr(schedule, "sink_beside_consumers", lambda *_: rollcall.found)
        runs = schedule.Schedule(rollcall.runtime, hurried(attempts=4))  # type: ignore[arg-type]  # its sink is replaced
        await runs._run_if_due("acme", given.sites["acme"])


Faulty = Callable[[int], tuple[dict[str, Any], ...]]


@pytest.mark.parametrize(
    "faulty",
    [
        pytest.param(
            lambda issue: (broken(COMMENTS, 403, (issue,)), broken(CHANGELOGS, 504, (issue,)), broken(WORKLOGS, 403)),
            id="comments and changes of an issue, worklogs",
        ),
        pytest.param(
            lambda issue: (broken(SEARCH, 500, (issue,)), broken(UPDATED, 403)), id="an issue in a search, a feed"
        ),
    ],
)
async def test_three_days_with_faults_and_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty: Faulty
) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        issue = busiest(jira, "comment")
        jira.faults(broken=[one["broken"][0] for one in faulty(issue)], embedded_comments=1)
        for _ in range(3):
            await a_day(given, monkeypatch, jira)
            now = jira.site.clock.now()
            last = read_last_run(tmp_path / "reconcile", "acme")
            assert last is not None
            assert (last.began, last.unfinished) == (now, False)
            found = (await appended(given)).facts
            lost = {
                key: one
                for key, one in known_to_rest(jira.site, Window(now - DAY, now - 600_000)).items()
                if key not in found
            }
            assert all(one.issue_id == issue or one.family == "worklog" for one in lost.values())
        jira.faults()
        await a_day(given, monkeypatch, jira)
        now = jira.site.clock.now()
        found = (await appended(given)).facts
        assert known_to_rest(jira.site, Window(now - 28 * DAY, now - 600_000)).keys() <= found.keys()


def left(**given: object) -> Checkpoint:
    run = Checkpoint(site="acme", run_id="1", started_at=0, window=Window(0, 1), parts=["activity"])
    run.place = place_of(run)
    for name, value in given.items():
        setattr(run, name, value)
    return run


def test_when_a_new_run_takes_the_place_of_an_interrupted_one() -> None:
    assert why_new(left(tries=2), DAY - 1) is None
    assert why_new(left(tries=2), DAY) == "it is a day old"
    assert why_new(left(tries=3), 1) == "it failed 3 times at the same place"
    assert why_new(left(tries=3, worklogs=FeedCursor(since=5)), 1) is None
