"""A later day's run: what little moved comes with one search, and what much moved costs, in requests."""

import math
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from reconcile.backfill.changelogs import all_changes
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.window import Window
from rollcall.settings import Settings
from simulator.config import DAY_MS
from simulator.rest.faults import Faults

from ..jira_answers.altered import altered, path_of
from .backfilling import next_run
from .oracle import known_to_rest
from .site import NOW, JiraSite, config, jira_site, settings_for
from .test_moved import HOUR_MS, SITE, assert_all_known

pytestmark = pytest.mark.anyio

COMPANY = config(people=7, acts_per_day=18.0, days=33, crowd=2_500, hard_cases=False)
BUSY = config(people=10, acts_per_day=12.0, days=33, hard_cases=False)
CHANGELOGS, COMMENTS = "POST /changelog/bulkfetch", "GET /issue/{issueIdOrKey}/comment"
WORKLOGS, DELETED = "POST /worklog/list", "GET /worklog/deleted"


async def a_day_later(jira: JiraSite, given: Settings, hours: int = 24) -> Checkpoint:
    jira.site.clock.advance(hours * HOUR_MS)
    run = await next_run(given)
    assert run.moved is not None
    assert run.missing == []
    await assert_all_known(given, jira, run)
    return run


async def test_what_a_calm_day_costs(tmp_path: Path) -> None:
    """On a site of some 2,800 issues, of which 1 % moved, no more than 2 requests per 1,000 of them."""
    async with jira_site(COMPANY) as jira:
        given = settings_for(jira.url, tmp_path)
        first = await next_run(given)
        assert 2_750 < first.issues.issues < 2_850
        calm = await a_day_later(jira, given)
        assert 0.01 * first.issues.issues < calm.issues.issues < 100
        assert calm.stats.requests == {"GET /myself": 1, "POST /search/jql": 2, "GET /worklog/updated": 1}
        assert calm.stats.requests.total() <= first.issues.issues * 2 / 1_000


async def test_what_a_busy_day_costs(tmp_path: Path) -> None:
    """With 20 % moved: a page of issues for each hundred, and what nine requests hold."""
    async with jira_site(BUSY) as jira:
        given = settings_for(jira.url, tmp_path)
        first = await next_run(given)
        hours = 0
        while moved_in(jira, hours) < 0.2 * first.issues.issues or hours < 8:
            jira.site.clock.advance(HOUR_MS)
            hours += 1
        busy = await a_day_later(jira, given, 0)
        assert busy.issues.issues >= 0.2 * first.issues.issues
        asked = busy.stats.requests
        assert asked["POST /search/jql"] <= math.ceil(busy.issues.issues / 100) + 2
        assert asked.total() - asked[COMMENTS] <= math.ceil(busy.issues.issues / 100) + 9
        assert asked[COMMENTS] <= busy.issues.issues * 0.05


def moved_in(jira: JiraSite, hours: int) -> int:
    since = jira.site.now() - hours * HOUR_MS
    return sum(row.updated >= since for row in jira.site.index.rows.values())


@pytest.mark.parametrize(
    ("caps", "asked"),
    [
        ({"embedded_histories": 0, "embedded_worklogs": 0, "embedded_comments": 0}, {CHANGELOGS, WORKLOGS, COMMENTS}),
        ({"embedded_histories": 3, "embedded_worklogs": 1, "embedded_comments": 1}, {CHANGELOGS, COMMENTS}),
        ({}, set()),
    ],
    ids=["nothing comes", "some comes", "all comes"],
)
async def test_what_does_not_come_with_the_search_is_asked_for(
    tmp_path: Path, caps: dict[str, int], asked: set[str]
) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        jira.faults(**caps)
        run = await a_day_later(jira, given)
        wanted = {CHANGELOGS, WORKLOGS, COMMENTS, DELETED}
        assert asked <= wanted & run.stats.requests.keys()
        assert asked or not wanted & run.stats.requests.keys()


async def test_a_jira_that_does_not_give_changes_with_a_search_is_asked_as_ever(tmp_path: Path) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"expand"' in request.content:
            return httpx.Response(400, json={"errorMessages": ["expand is not supported"]})
        return answer

    async with altered(SITE, alter) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        run = await a_day_later(jira, given)
        assert run.stats.requests[CHANGELOGS] == run.stats.requests[WORKLOGS] == 1


@pytest.mark.parametrize("later", [0, 1], ids=["as it came", "touched since"])
async def test_a_worklog_that_was_touched_after_it_came_is_asked_for(tmp_path: Path, later: int) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if path_of(request) != "/worklog/updated":
            return answer
        page = answer.json()
        for one in page["values"]:
            one["updatedTime"] += later
        return httpx.Response(200, json=page, headers={"date": answer.headers["date"]})

    async with altered(SITE, alter) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        assert (await a_day_later(jira, given)).stats.requests[WORKLOGS] == later


async def test_worklogs_that_came_in_a_form_that_is_not_known_are_asked_for(tmp_path: Path) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"expand"' not in request.content:
            return answer
        page = answer.json()
        for issue in page["issues"]:
            for worklog in issue["fields"]["worklog"]["worklogs"]:
                worklog["created"] = "yesterday"
        return httpx.Response(200, json=page, headers={"date": answer.headers["date"]})

    async with altered(SITE, alter) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        assert (await a_day_later(jira, given)).stats.requests[WORKLOGS] == 1


async def test_the_feed_of_deleted_worklogs_is_read_with_the_whole_window(tmp_path: Path) -> None:
    """It names nobody: what it adds to the changelogs is known a week later at most."""
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        assert (await next_run(given)).stats.requests[DELETED] == 1
        for _ in range(6):
            run = await a_day_later(jira, given)
            assert run.stats.requests[DELETED] == 0
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is None
        assert run.stats.requests[DELETED] == 1


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "hidden"])
async def test_a_worklog_that_a_change_names_and_jira_does_not_give_is_looked_up_there(
    tmp_path: Path, deleted: bool
) -> None:
    lost: list[int] = []

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        path = path_of(request)
        if not lost or not path.startswith("/worklog"):
            return answer
        found: Any = answer.json()
        if path == "/worklog/list":
            found = [one for one in found if int(one["id"]) not in lost]
        elif path == "/worklog/deleted" and deleted:
            at = int(request.url.params["since"]) + 1
            found["values"] = [{"worklogId": one, "updatedTime": at} for one in lost]
        else:
            return answer
        return httpx.Response(200, json=found, headers={"date": answer.headers["date"]})

    async with altered(SITE, alter) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        jira.site.faults = Faults(embedded_worklogs=0)
        jira.site.clock.advance(DAY_MS)
        lost += [
            int(key.split(":")[1])
            for key, one in known_to_rest(jira.site, Window(NOW, NOW + DAY_MS - HOUR_MS)).items()
            if one.family == "worklog" and one.action == "created"
        ][:1]
        # As long as Jira does not give it, whether its issue moves or not.
        for _ in range(1 if deleted else 3):
            run = await next_run(given)
            assert run.stats.requests[DELETED] == 1
            assert [str(lost[0]) in words for words in run.missing] == ([] if deleted else [True])
            jira.site.clock.advance(DAY_MS)
        lost.clear()
        run = await next_run(given)
        assert run.missing == []
        if not deleted:
            await assert_all_known(given, jira, run)


def entries(count: int, newest: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "created": newest - number} for number in range(count)]


@pytest.mark.parametrize(
    ("changelog", "created", "all_there"),
    [
        pytest.param({"total": 2, "histories": entries(2, NOW)}, NOW - DAY_MS, True, id="all"),
        pytest.param({"total": 3, "histories": entries(2, NOW)}, NOW - DAY_MS, False, id="more"),
        pytest.param({"total": 1, "histories": entries(2, NOW)}, NOW - DAY_MS, False, id="fewer"),
        pytest.param({"histories": entries(2, NOW)}, NOW - DAY_MS, False, id="no total"),
        pytest.param({"total": 40, "histories": entries(40, NOW)}, NOW - DAY_MS, False, id="as many as may come"),
        pytest.param({"total": 40, "histories": entries(40, NOW - 990)}, NOW - DAY_MS, True, id="far enough back"),
        pytest.param({"total": 0, "histories": []}, NOW, True, id="none, and new"),
        pytest.param({"total": 0, "histories": []}, NOW - DAY_MS, False, id="none, and it moved"),
        pytest.param({"total": 0}, NOW, False, id="no list"),
        pytest.param(None, NOW, False, id="nothing"),
        pytest.param("x", NOW, False, id="another form"),
        pytest.param({"total": 20, "histories": [{}] * 20}, NOW, False, id="no times"),
    ],
)
def test_when_the_changes_that_came_are_all(changelog: Any, created: int, all_there: bool) -> None:
    """Those after a moment a second ago are needed."""
    raw = msgspec.Raw(msgspec.json.encode(changelog))
    assert (all_changes(raw, created, NOW - 1_000) is not None) == all_there
