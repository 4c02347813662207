"""Lists that do not end are errors; hosts out of answers are never asked."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.backfill.activity import backfill
from reconcile.backfill.context import UNREADABLE, BackfillContext, WindowFacts
from reconcile.client.jira_client import JiraClient
from reconcile.progress import LoggedProgress
from reconcile.publisher import FactPublisher, NoExistingFacts
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import RunState, Spool
from reconcile.state.window import Window

from .scripted import Script, page, scripted
from .site import NOW

pytestmark = pytest.mark.anyio

WINDOW = Window(NOW - 86_400_000, NOW)


@contextmanager
def work(jira: JiraClient, folder: Path) -> Iterator[BackfillContext]:
    run = Checkpoint(site="acme", run_id="1", started_at=NOW, window=WINDOW, parts=["activity"])
    spool = Spool(folder / "spool")
    publisher = FactPublisher(None, "acme", NoExistingFacts(), run.found)
    yield BackfillContext(
        jira, WindowFacts("acme", WINDOW, NOW), publisher, RunState(spool, None), run, LoggedProgress("acme"), 0
    )
    spool.close()


def empty(_: httpx.Request) -> httpx.Response:
    return page({"values": [], "lastPage": True, "count": 0, "issueChangeLogs": []})


def answers(**changed: Any) -> Script:
    """A Jira that knows one issue and nothing of it, but for what is changed."""
    found = page({"issues": [{"id": "7", "fields": {"comment": {"comments": [], "total": 0}}}], "isLast": True})
    script = Script([page({})])
    script.by_path = {
        "/search/jql": lambda _: found,
        "/bulkfetch": empty,
        "/worklog/updated": empty,
        "/worklog/deleted": empty,
        "/worklog/list": lambda _: page([]),
        **changed,
    }
    return script


async def run(script: Script, folder: Path) -> BackfillContext:
    async with scripted(script) as jira:
        with work(jira, folder) as context:
            await backfill(context, NOW, "UTC")
            return context


def missing(context: BackfillContext) -> str:
    return "; ".join(gap.words() for gap in context.checkpoint.gaps)


async def test_a_search_that_repeats_its_token_is_a_gap(tmp_path: Path) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        return page({"issues": [], "nextPageToken": "same", "isLast": False})

    script = answers(**{"/search/jql": again})
    context = await run(script, tmp_path)
    assert "POST /search/jql: Jira repeats a page" in missing(context)
    assert "the list of all issues" in missing(context)
    assert sum(request.url.path.endswith("/search/jql") for request in script.asked) < 6


async def test_tokens_that_go_round_in_a_circle_are_a_gap(tmp_path: Path) -> None:
    turns = itertools.cycle("abc")

    def circle(_: httpx.Request) -> httpx.Response:
        return page({"issues": [], "nextPageToken": next(turns), "isLast": False})

    context = await run(answers(**{"/search/jql": circle}), tmp_path)
    assert "Jira repeats a page" in missing(context)


async def test_changelogs_that_repeat_their_token_are_a_gap(tmp_path: Path) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        return page({"issueChangeLogs": [], "nextPageToken": "same"})

    context = await run(answers(**{"/bulkfetch": again}), tmp_path)
    assert missing(context).startswith("changes of issue 7 could not be read: POST /changelog/bulkfetch: Jira repeats")


@pytest.mark.parametrize("feed", ["/worklog/updated", "/worklog/deleted"])
async def test_a_feed_that_repeats_its_page_is_a_gap(tmp_path: Path, feed: str) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        values = [{"worklogId": 5, "updatedTime": NOW - 1000}]
        return page({"values": values, "lastPage": False, "until": NOW - 1000})

    script = answers(**{feed: again})
    context = await run(script, tmp_path)
    assert "repeats a page" in missing(context)
    assert len(script.asked) < 12


async def test_a_next_page_on_another_host_is_asked_of_ours(tmp_path: Path) -> None:
    turns = iter([False, True])

    def feed(_: httpx.Request) -> httpx.Response:
        values = [{"worklogId": 5, "updatedTime": NOW - 1000}]
        link = f"https://evil.example/rest/api/3/worklog/updated?since={NOW - 1000}"
        return page({"values": values, "lastPage": next(turns), "until": NOW - 1000, "nextPage": link})

    script = answers(**{"/worklog/updated": feed})
    await run(script, tmp_path)
    assert {request.url.host for request in script.asked} == {"acme.atlassian.net"}
    sinces = [request.url.params["since"] for request in script.asked if request.url.path.endswith("/worklog/updated")]
    assert sinces == [str(WINDOW.since - 1), str(NOW - 1000)]


def searched(census: Any, *pages: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    """A search that gives these pages in turn, and the ids of a census."""
    turns = iter(pages)

    def search(request: httpx.Request) -> httpx.Response:
        ids_only = json.loads(request.content)["fields"] == ["id"]
        return page({"issues": [{"id": one} for one in census]}) if ids_only else next(turns)

    return search


def an_issue(number: int) -> dict[str, Any]:
    return {"id": number, "fields": {"comment": {"comments": [], "total": 0}}}


@pytest.mark.parametrize("last", [True, False, None])
async def test_while_there_is_a_token_there_is_a_next_page(tmp_path: Path, last: bool | None) -> None:
    search = searched(
        [7, 8],
        page({"issues": [], "nextPageToken": "a", "isLast": last}),
        page({"issues": [an_issue(7)], "nextPageToken": "b", "isLast": last}),
        page({"issues": [an_issue(8)]}),
    )
    context = await run(answers(**{"/search/jql": search}), tmp_path)
    assert context.checkpoint.issues.issues == 2
    assert context.checkpoint.gaps == []


@pytest.mark.parametrize(
    ("path", "name", "good"),
    [
        ("/worklog/updated", "values", {"worklogId": 5, "updatedTime": NOW - 1000}),
        ("/worklog/deleted", "values", {"worklogId": 6, "updatedTime": NOW - 1000}),
        ("/bulkfetch", "issueChangeLogs", {"issueId": "7", "changeHistories": []}),
        ("/search/jql", "issues", {"id": "7", "fields": {"comment": {"comments": [], "total": 0}, "created": NOW}}),
    ],
)
async def test_one_odd_element_of_a_page_costs_only_itself(
    tmp_path: Path, path: str, name: str, good: dict[str, Any]
) -> None:
    odd = {"worklogId": True, "issueId": [], "id": {}, "fields": {"comment": {"comments": [], "total": 0}}}
    script = answers(**{path: lambda _: page({name: [odd, good], "lastPage": True})})
    context = await run(script, tmp_path)
    usual = 0 if path == "/search/jql" else 1  # the one issue that the others' search finds has no time
    assert context.checkpoint.found.skipped[UNREADABLE] == usual + 1
    assert context.checkpoint.issues.issues == 1


async def test_worklogs_that_were_deleted_meanwhile_are_not_asked_for(tmp_path: Path) -> None:
    """An entry names a worklog that was added and is there, another that it deleted, in whatever order they come."""

    def entry(number: int, **item: str) -> dict[str, Any]:
        at, anna = "2026-11-18T09:00:00.000+0000", {"accountId": "anna"}
        return {"id": str(number), "author": anna, "created": at, "items": [{"field": "WorklogId", **item}]}

    histories = [
        entry(1, to="5"),
        entry(2, to="6"),
        entry(3, **{"from": "6"}),
        entry(4, **{"from": "7"}),
        entry(5, to="7"),
    ]
    changelogs = page({"issueChangeLogs": [{"issueId": "7", "changeHistories": histories}]})
    script = answers(**{"/bulkfetch": lambda _: changelogs})
    context = await run(script, tmp_path)
    asked = [
        json.loads(request.content)["ids"] for request in script.asked if request.url.path.endswith("/worklog/list")
    ]
    assert asked == [[5]]
    assert context.checkpoint.found.facts["worklog deleted"] == 2


@pytest.mark.parametrize(("least", "pages"), [(0, 2), (1, 3)], ids=["its own millisecond too", "later only"])
async def test_a_millisecond_that_a_page_cuts_through_is_read_whole(tmp_path: Path, least: int, pages: int) -> None:
    """Whichever ``since`` means; where it leaves itself out, the page is requested from a millisecond before."""
    touched = [(number, NOW - 5000 + number // 700) for number in range(1, 1501)]

    def feed(request: httpx.Request) -> httpx.Response:
        later = [one for one in touched if one[1] >= int(request.url.params["since"]) + least]
        values = [{"worklogId": number, "updatedTime": at} for number, at in later[:1000]]
        return page({"values": values, "lastPage": len(later) <= 1000, "until": values[-1]["updatedTime"]})

    script = answers(**{"/worklog/updated": feed})
    context = await run(script, tmp_path)
    paths = [request.url.path.partition("/rest/api/3")[2] for request in script.asked]
    lists = [json.loads(one.content)["ids"] for one in script.asked if one.url.path.endswith("/worklog/list")]
    assert sorted(number for ids in lists for number in ids) == [number for number, _ in touched]
    assert paths.count("/worklog/updated") == pages
    assert not missing(context)


async def test_one_unreadable_element_costs_itself_only(tmp_path: Path) -> None:
    good = {"id": "8", "fields": {"created": NOW - 5000, "creator": {"accountId": "a"}, "comment": {"total": 0}}}
    bad = [{"id": []}, {"id": "9", "fields": {"created": "yesterday", "comment": {"total": 0}}}, 3]
    found = page({"issues": [*bad, good], "isLast": True})
    context = await run(answers(**{"/search/jql": lambda _: found}), tmp_path)
    assert dict(context.checkpoint.found.facts) == {"history created": 1}
    assert context.checkpoint.found.skipped["unreadable elements of Jira's answers"] == 3


async def test_issues_that_jira_lists_and_does_not_give_are_named(tmp_path: Path) -> None:
    nothing = page({"issues": []})  # asked once more, for the answer before it brought one of the two
    search = searched([7, 8, 9], page({"issues": [an_issue(7)]}), page({"issues": [an_issue(8)]}), nothing)
    script = answers(**{"/search/jql": search, "/comment": lambda _: page({"comments": [], "total": 0})})
    context = await run(script, tmp_path)
    assert missing(context) == "issue 9 could not be read: Jira lists it and does not give it"
    asked = [json.loads(one.content) for one in script.asked if one.url.path.endswith("/bulkfetch")]
    assert [one["issueIdsOrKeys"] for one in asked] == [["7", "8", "9"]]


async def test_a_census_far_below_what_the_search_finds_is_named(tmp_path: Path) -> None:
    many = page({"issues": [an_issue(number) for number in range(1, 91)]})
    context = await run(answers(**{"/search/jql": searched([1, 2], many)}), tmp_path)
    assert "the search found 90 issues where Jira lists 2" in missing(context)
