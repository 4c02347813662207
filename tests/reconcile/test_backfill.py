"""What a backfill finds is what happened: caps, edges of the window, midnights, entities that vanish on the way."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.run import RunOptions
from reconcile.state.window import WindowRequest
from simulator.config import DAY_MS

from ..jira_answers.altered import altered
from .backfilling import appended, reconcile
from .oracle import assert_equal, known_to_rest, told
from .site import NOW, config, jira_site, settings_for

pytestmark = pytest.mark.anyio


def at(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)


@pytest.mark.parametrize(
    ("caller", "reporting"), [("UTC", "Europe/Berlin"), ("America/Los_Angeles", "Asia/Kolkata")], ids=["utc", "west"]
)
async def test_the_keys_equal_the_truth(tmp_path: Path, caller: str, reporting: str) -> None:
    async with jira_site(config(caller_zone=caller, report_zone=reporting)) as jira:
        settings = settings_for(jira.url, tmp_path, reporting)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        found = await appended(settings)
        assert_equal(found.facts, jira.site, run.window)
        assert run.missing == []
        assert found.records == run.found.facts.total()
        # Every cap is really beyond: comments, histories, worklogs of one issue and of one millisecond.
        for family in ("comment", "history", "worklog"):
            assert max(counts(found.facts.values(), family).values()) > 99
        instants = [fact.occurred_at for fact in found.facts.values() if fact.family == "worklog"]
        assert max(instants.count(one) for one in set(instants)) > 1000


def counts(facts: Any, family: str) -> dict[int, int]:
    found: dict[int, int] = {}
    for fact in facts:
        if fact.family == family:
            found[fact.issue_id] = found.get(fact.issue_id, 0) + 1
    return found


@pytest.mark.parametrize("created", ["iso", "epoch_ms_string"])
async def test_any_form_of_time_in_changelogs(tmp_path: Path, created: str) -> None:
    async with jira_site(config(people=5, acts_per_day=2.0, hard_cases=False), bulk_created=created) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)


@pytest.mark.parametrize("embedded", [0, 20, 1000])
async def test_however_many_comments_a_search_embeds(tmp_path: Path, embedded: int) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0), embedded_comments=embedded) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        asked = run.stats.requests["GET /issue/{issueIdOrKey}/comment"]
        assert (asked == 0) == (embedded == 1000)


@pytest.mark.parametrize(("embedded", "asked"), [(0, {2}), (20, {1}), (1000, set())])
async def test_worklogs_that_came_with_their_issues_are_not_requested(
    tmp_path: Path, embedded: int, asked: set[int]
) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0), embedded_worklogs=embedded, feed_ties="whole") as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        assert {count for name, count in run.stats.requests.items() if name == "POST /worklog/list"} == asked


async def test_a_search_that_cannot_give_worklogs_is_asked_without(tmp_path: Path) -> None:
    sizes: list[int] = []

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"worklog"' in request.content:
            return httpx.Response(504)
        if b'"creator"' in request.content:
            sizes.append(json.loads(request.content)["maxResults"])
        return answer

    async with altered(config(people=5, acts_per_day=1.0, hard_cases=False), alter) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        assert (run.missing, set(sizes)) == ([], {100})


async def test_a_search_that_gives_few_issues_with_their_worklogs_is_asked_without(tmp_path: Path) -> None:
    asked: list[bool] = []

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if b'"creator"' not in request.content or b"id in" in request.content:
            return answer
        asked.append(b'"worklog"' in request.content)
        found = answer.json()
        if asked[-1] and "nextPageToken" in found:
            found["issues"] = found["issues"][:40]
        return httpx.Response(200, json=found, headers={"date": answer.headers["date"]})

    async with altered(config(people=5, acts_per_day=1.0, hard_cases=False, crowd=300), alter) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        assert (run.missing, asked) == ([], [True, *[False] * (len(asked) - 1)])


@pytest.mark.parametrize("ties", ["cut", "whole"])
async def test_more_worklogs_on_one_millisecond_than_a_page_holds(tmp_path: Path, ties: str) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0), feed_ties=ties) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)


async def test_5001_issues_and_short_pages(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0, crowd=5001), short_page_share=0.3) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        found = await appended(settings)
        assert_equal(found.facts, jira.site, run.window)
        assert run.issues.issues > 5001
        assert run.issues.pages > 52


async def test_both_edges_of_a_window_to_the_millisecond(tmp_path: Path) -> None:
    async with jira_site(config(people=6, acts_per_day=3.0)) as jira:
        moments = sorted({one.rest_at for one in told(jira.site).values() if one.rest_at is not None})
        middle = [moment for moment in moments if NOW - 20 * DAY_MS < moment < NOW - 3 * DAY_MS]
        since, until = middle[3], middle[-5]
        for first, last in ((since, until), (since + 1, until + 1)):
            folder = tmp_path / str(first)
            folder.mkdir()
            settings = settings_for(jira.url, folder)
            run = await reconcile(settings, RunOptions(WindowRequest(since=at(first), until=at(last)), ("activity",)))
            assert (run.window.since, run.window.until) == (first, last)
            facts = (await appended(settings)).facts
            assert_equal(facts, jira.site, run.window)
            inside = {fact.occurred_at for fact in facts.values()}
            assert (since in inside) == (first == since)
            assert (until in inside) == (last == until + 1)


@pytest.mark.parametrize("caller", ["America/Los_Angeles", "Asia/Kolkata", "UTC"])
async def test_times_in_jql_are_in_the_callers_zone(tmp_path: Path, caller: str) -> None:
    """The oldest issue that moved since the window's beginning is found, without an overlap that would hide an hour."""
    async with jira_site(config(people=6, acts_per_day=3.0, caller_zone=caller)) as jira:
        last: dict[int, tuple[int, str]] = {}
        for key, one in told(jira.site).items():
            if one.rest_at is not None and one.family != "worklog" and one.action != "deleted":
                last[one.issue_id] = max(last.get(one.issue_id, (0, "")), (one.rest_at, key))
        since, key = max(found for found in last.values() if found[0] < NOW - 2 * DAY_MS)
        settings = settings_for(jira.url, tmp_path, reconcile={"overlap_hours": 0})
        run = await reconcile(settings, RunOptions(WindowRequest(since=at(since)), ("activity",)))
        facts = (await appended(settings)).facts
        assert key in facts
        assert_equal(facts, jira.site, run.window)


async def test_the_default_window_is_whole_reporting_days(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=0.5, hard_cases=False)) as jira:
        settings = settings_for(jira.url, tmp_path, "Asia/Kolkata")
        run = await reconcile(settings, RunOptions(WindowRequest(days=3), ("activity",)))
        assert at(run.window.since).isoformat() == "2026-11-15T18:30:00+00:00"
        assert at(run.window.until) == at(NOW) - timedelta(minutes=5)


async def test_entities_that_vanish_mid_run_are_no_end_of_it(tmp_path: Path) -> None:
    async with jira_site(vanish_every=2, vanish_count=4) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        gone = set(jira.site.vanished)
        assert gone
        facts = (await appended(settings)).facts
        kept = {key: fact for key, fact in facts.items() if fact.issue_id not in gone}
        assert_equal(kept, jira.site, run.window, gone)
        # What was read before it vanished did happen.
        assert facts.keys() - kept.keys() <= told(jira.site).keys()


async def test_an_issue_that_vanishes_before_its_comments_are_read_is_a_counted_skip(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0)) as jira:
        settings = settings_for(jira.url, tmp_path)
        # Census, search, and then every request takes an issue away: none is left when comments are asked for.
        jira.faults(vanish_every=4, vanish_count=100_000, embedded_comments=0)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert run.found.skipped["issues gone or hidden since they were listed"] > 0
        assert run.missing == []


async def test_comments_that_are_not_there_once_are_asked_for_again(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0)) as jira:
        jira.faults(forced={"GET /rest/api/3/issue/{issue}/comment": [404]})
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        assert run.missing == []


async def test_a_window_before_anything_happened_gives_nothing(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0, hard_cases=False)) as jira:
        settings = settings_for(jira.url, tmp_path)
        wanted = WindowRequest(since=at(NOW - 90 * DAY_MS), until=at(NOW - 60 * DAY_MS))
        run = await reconcile(settings, RunOptions(wanted, ("activity",)))
        assert known_to_rest(jira.site, run.window) == {}
        assert (await appended(settings)).facts == {}
        assert run.issues.issues > 0


async def test_a_search_index_that_lags_costs_nothing_within_the_settling_time(tmp_path: Path) -> None:
    async with jira_site(config(people=8, hard_cases=False), search_lag_ms=4 * 60_000) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
