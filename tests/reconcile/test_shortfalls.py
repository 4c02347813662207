"""What Jira counts and does not give is missing for two weeks; what stays so is then held to be hidden from us."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from reconcile.backfill.worklogs import WORKLOG
from reconcile.run import RunOptions
from reconcile.state.checkpoint import HIDDEN, Checkpoint, Shortfall
from reconcile.state.watermark import Watermark, read_watermark, shortfalls_of
from rollcall.settings import Settings
from simulator.config import DAY_MS
from simulator.rest.faults import Faults

from ..jira_answers.altered import altered, path_of
from .backfilling import next_run
from .site import NOW, JiraSite, settings_for
from .test_moved import SITE, assert_all_known

pytestmark = pytest.mark.anyio

WHOLE = RunOptions(parts=("activity",), whole=True)


class Hiding:
    """Lets one commented issue count more comments than it gives, and one worklog be in no answer."""

    def __init__(self) -> None:
        self.more = 0
        self.hides_worklog = False
        self.issue = self.worklog = ""
        self._is_chosen = False

    def choose(self) -> None:
        """Take the youngest of those that were asked for, which stay in the window for long."""
        self._is_chosen = True

    def __call__(self, request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        path, found = path_of(request), answer
        if not self._is_chosen and path.endswith("/comment"):
            self.issue = max(self.issue, path.split("/")[2], key=lambda one: int(one or 0))
        if not self._is_chosen and path == "/worklog/list":
            self.worklog = max((one["id"] for one in answer.json()), key=int)
        if path.endswith("/comment") and self.more:
            page = answer.json()
            if path.split("/")[2] == self.issue:
                found = httpx.Response(200, json={**page, "total": page["total"] + self.more}, headers=answer.headers)
        elif path == "/worklog/list" and self.hides_worklog:
            left = [one for one in answer.json() if one["id"] != self.worklog]
            found = httpx.Response(200, json=left, headers={"date": answer.headers["date"]})
        return found


@asynccontextmanager
async def hiding(folder: Path) -> AsyncIterator[tuple[JiraSite, Settings, Hiding]]:
    hides = Hiding()
    async with altered(SITE, hides) as jira:
        jira.site.faults = Faults(embedded_comments=1, embedded_worklogs=0)
        yield jira, settings_for(jira.url, folder), hides


async def days(jira: JiraSite, given: Settings, number: int) -> list[Checkpoint]:
    ran = []
    for _ in range(number):
        jira.site.clock.advance(DAY_MS)
        ran.append(await next_run(given))
    return ran


async def test_comments_that_stay_hidden_are_no_gap_after_two_weeks(tmp_path: Path) -> None:
    async with hiding(tmp_path) as (jira, given, hides):
        await next_run(given)
        hides.choose()
        hides.more = 2
        run = await next_run(given, WHOLE)
        assert len(run.missing) == 1
        assert run.notes == []
        ran = await days(jira, given, 13)
        assert all(len(one.missing) == 1 for one in ran)
        [run] = await days(jira, given, 1)
        assert run.missing == []
        assert run.notes == [f"1 shortfalls {HIDDEN}: comments of issue {hides.issue} (2 of them)"]
        # It stays visible, whether its issue is looked at or not.
        for later in await days(jira, given, 2):
            assert later.missing == []
            assert later.notes == run.notes
        await assert_all_known(given, jira, later)

        hides.more = 3  # one more: it begins anew
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given, WHOLE)
        assert f"comments of issue {hides.issue}" in run.missing[0]
        assert run.notes == []

        hides.more = 0
        [run] = await days(jira, given, 1)
        assert run.missing == run.notes == []
        found = read_watermark(tmp_path / "reconcile", "acme")
        assert found
        assert found.shortfalls == {}


async def test_a_worklog_that_stays_hidden_is_no_gap_after_two_weeks(tmp_path: Path) -> None:
    async with hiding(tmp_path) as (jira, given, hides):
        await next_run(given)
        hides.choose()
        hides.hides_worklog = True
        run = await next_run(given, WHOLE)
        assert f"{WORKLOG} {hides.worklog} could not be read" in run.missing[0]
        *ran, last = await days(jira, given, 14)
        assert all(one.missing for one in ran)
        assert last.missing == []
        assert f"{WORKLOG} {hides.worklog} (not given)" in last.notes[0]
        hides.hides_worklog = False
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given, WHOLE)
        assert run.missing == run.notes == []
        await assert_all_known(given, jira, run)


def test_how_long_it_has_to_stay() -> None:
    """Two weeks, and three runs at least: two of them far apart say little."""
    assert Shortfall("2", NOW - 14 * DAY_MS, 3).has_stayed(NOW)
    assert not Shortfall("2", NOW - 14 * DAY_MS, 2).has_stayed(NOW)
    assert not Shortfall("2", NOW - 13 * DAY_MS, 9).has_stayed(NOW)
    assert not Shortfall("2", 0, 9).has_stayed(NOW)  # when it began Jira did not tell the time


def test_what_another_account_lacks_says_nothing() -> None:
    stood = Watermark(basis="one", shortfalls={"worklog 5": Shortfall("not given", NOW)})
    assert shortfalls_of(stood, "one") == stood.shortfalls
    assert shortfalls_of(stood, "other") == shortfalls_of(stood, "") == shortfalls_of(None, "one") == {}
