"""A clock that is wrong, Jira's by a proxy's word or this machine's, costs no day: a run covers the days of both."""

from pathlib import Path

import httpx
import pytest

from console.checks import jira_site
from reconcile.run import RunOptions
from reconcile.state.window import window
from simulator.config import DAY_MS

from ..reconcile.backfilling import appended, next_run
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import NOW, config, settings_for
from .altered import altered
from .in_process import WEEK, read_under
from .well_looking_ways import dated

pytestmark = pytest.mark.anyio

SITE = config(people=6, acts_per_day=3.0, days=40, crowd=0, hard_cases=False)


@pytest.mark.parametrize("days", [-40, -20, -3, 3, 20, 40])
async def test_a_wrong_clock_here(tmp_path: Path, days: int) -> None:
    came = await read_under(None, tmp_path, options=RunOptions(WEEK, ("activity",)), ahead_ms=days * DAY_MS)
    came.assert_honest()
    assert (came.code, came.lost) == (0, {})
    assert len(came.wanted) > 50


async def test_a_date_that_is_held_for_days(tmp_path: Path) -> None:
    """Each day is read, and after a week all of the window is, though by the answers' dates no time has passed."""
    async with altered(SITE, lambda _, answer: dated(0)(answer)) as jira:
        given, whole = settings_for(jira.url, tmp_path), list[bool]()
        for _ in range(9):
            run = await next_run(given)
            whole.append(run.moved is None)
            assert run.missing == []
            now, zone = jira.site.clock.now(), given.sites["acme"].zone()
            wanted = known_to_rest(jira.site, window(RunOptions().window, given.reconcile, zone, now))
            assert wanted.keys() - (await appended(given)).facts.keys() == set()
            jira.site.clock.advance(DAY_MS)
        assert whole == [True, *[False] * 6, True, False]


@pytest.mark.parametrize(
    ("ours", "answers", "ok", "words"),
    [
        pytest.param(0, 0, True, "ours is 0.0 s", id="alike"),
        pytest.param(5, 0, False, "ours is 432000.0 s ahead of Jira's; until they agree, runs", id="ours is ahead"),
        pytest.param(0, 5, False, "Jira's, but its answer is dated 2026-11-13 11:06 UTC; until", id="held by a proxy"),
    ],
)
async def test_check_says_which_clock_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: int, answers: int, ok: bool, words: str
) -> None:
    def late(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return dated(answers)(answer)

    monkeypatch.setattr(jira_site, "now_ms", lambda: NOW + ours * DAY_MS)
    async with altered(SITE, late) as jira:
        [found] = [
            one async for one in jira_site.jira_findings(settings_for(jira.url, tmp_path)) if "clock" in one.subject
        ]
    assert (found.ok, words in found.found) == (ok, True), found.found
