"""Lists that do not end are errors; hosts out of answers are never asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.backfill.activity import backfill
from reconcile.backfill.context import UNREADABLE, BackfillContext, WindowFacts
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import PagingError
from reconcile.progress import LoggedProgress
from reconcile.publisher import FactPublisher, NoExistingFacts
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import RunState, Spool
from reconcile.window import Window

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
        "/approximate-count": empty,
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


async def test_a_search_that_repeats_its_token_is_an_error(tmp_path: Path) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        return page({"issues": [], "nextPageToken": "same", "isLast": False})

    script = answers(**{"/search/jql": again})
    with pytest.raises(PagingError, match="POST /search/jql: Jira repeats a page"):
        await run(script, tmp_path)
    assert len(script.asked) < 5


async def test_tokens_that_go_round_in_a_circle_are_an_error(tmp_path: Path) -> None:
    turns = iter([*"abcabcabc"])

    def circle(_: httpx.Request) -> httpx.Response:
        return page({"issues": [], "nextPageToken": next(turns), "isLast": False})

    with pytest.raises(PagingError):
        await run(answers(**{"/search/jql": circle}), tmp_path)


async def test_changelogs_that_repeat_their_token_are_an_error(tmp_path: Path) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        return page({"issueChangeLogs": [], "nextPageToken": "same"})

    with pytest.raises(PagingError, match="bulkfetch"):
        await run(answers(**{"/bulkfetch": again}), tmp_path)


@pytest.mark.parametrize("feed", ["/worklog/updated", "/worklog/deleted"])
async def test_a_feed_that_repeats_its_page_is_an_error(tmp_path: Path, feed: str) -> None:
    def again(_: httpx.Request) -> httpx.Response:
        values = [{"worklogId": 5, "updatedTime": NOW - 1000}]
        return page({"values": values, "lastPage": False, "until": NOW - 1000})

    script = answers(**{feed: again})
    with pytest.raises(PagingError, match="repeats a page"):
        await run(script, tmp_path)
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
    assert sinces == [str(WINDOW.since), str(NOW - 1001)]


async def test_an_empty_page_with_a_token_is_not_the_last(tmp_path: Path) -> None:
    pages = iter(
        [
            page({"issues": [], "nextPageToken": "a"}),
            page({"issues": [{"id": 7, "fields": {"comment": {"comments": [], "total": 0}}}], "nextPageToken": "b"}),
            page({"issues": []}),
        ]
    )
    context = await run(answers(**{"/search/jql": lambda _: next(pages)}), tmp_path)
    assert context.checkpoint.issues.issues == 1


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


async def test_one_unreadable_element_costs_itself_only(tmp_path: Path) -> None:
    good = {"id": "8", "fields": {"created": NOW - 5000, "creator": {"accountId": "a"}, "comment": {"total": 0}}}
    bad = [{"id": []}, {"id": "9", "fields": {"created": "yesterday", "comment": {"total": 0}}}, 3]
    found = page({"issues": [*bad, good], "isLast": True})
    context = await run(answers(**{"/search/jql": lambda _: found}), tmp_path)
    assert dict(context.checkpoint.found.facts) == {"history created": 1}
    assert context.checkpoint.found.skipped["unreadable elements of Jira's answers"] == 3


async def test_a_search_far_below_jiras_count_is_named(tmp_path: Path) -> None:
    context = await run(answers(**{"/approximate-count": lambda _: page({"count": 900})}), tmp_path)
    assert "found 1 issues where Jira counts about 900" in context.checkpoint.missing[0]
