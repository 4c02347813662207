"""Memory does not grow with the site; `bench/bench_backfill.py` measures it for 100,000 issues."""

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.backfill.activity import backfill
from reconcile.backfill.context import BackfillContext, WindowFacts
from reconcile.progress import LoggedProgress
from reconcile.publisher import FactPublisher, NoExistingFacts
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import RunState, Spool
from reconcile.state.window import Window
from rollcall.runtime import opened

from .scripted import Script, page, scripted
from .site import NOW, settings_for

pytestmark = pytest.mark.anyio

ANNA = {"accountId": "anna", "accountType": "atlassian"}
TIME = "2026-11-18T09:00:00.000+0000"


def endless(issues: int) -> Script:
    """A Jira of so many issues, with two comments, three histories and a worklog each."""

    def search(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["fields"] == ["id"]:
            return page({"issues": [{"id": str(number)} for number in range(1, issues + 1)]})
        start = int(body.get("nextPageToken", "0"))
        found = [issue(number) for number in range(start + 1, start + 101)]
        more = {"nextPageToken": str(start + 100)} if start + 100 < issues else {"isLast": True}
        return page({"issues": found, **more})

    def changelogs(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["issueIdsOrKeys"]
        return page({"issueChangeLogs": [{"issueId": one, "changeHistories": histories(int(one))} for one in ids]})

    def feed(request: httpx.Request) -> httpx.Response:
        first = max(0, int(request.url.params["since"]) - (NOW - issues - 1))
        numbers = range(first, min(first + 1000, issues))
        values = [{"worklogId": one + 1, "updatedTime": NOW - issues + one} for one in numbers]
        return page({"values": values, "lastPage": first + 1000 >= issues})

    def worklogs(request: httpx.Request) -> httpx.Response:
        return page(
            [
                {"id": str(one), "issueId": str(one), "author": ANNA, "created": TIME, "updated": TIME}
                for one in json.loads(request.content)["ids"]
            ]
        )

    script = Script([page({})])
    script.by_path = {
        "/search/jql": search,
        "/bulkfetch": changelogs,
        "/worklog/updated": feed,
        "/worklog/deleted": lambda _: page({"values": [], "lastPage": True}),
        "/worklog/list": worklogs,
    }
    return script


def issue(number: int) -> dict[str, Any]:
    comments = [{"id": str(number * 2 + n), "author": ANNA, "created": TIME, "updated": TIME} for n in (0, 1)]
    fields = {"creator": ANNA, "created": TIME, "comment": {"comments": comments, "total": 2}}
    return {"id": str(number), "key": f"A-{number}", "fields": {**fields, "project": {"key": "A"}}}


def histories(number: int) -> list[dict[str, Any]]:
    item = {"field": "WorklogId", "to": str(number)}
    return [{"id": str(number * 3 + n), "author": ANNA, "created": TIME, "items": [item]} for n in range(3)]


async def peak(folder: Path, issues: int) -> int:
    folder.mkdir()
    settings = settings_for("https://acme.atlassian.net", folder)
    window = Window(NOW - 30 * 86_400_000, NOW)
    run = Checkpoint(site="acme", run_id="1", started_at=NOW, window=window, parts=["activity"])
    script = endless(issues)
    script.asked = Forgetful()
    spool = Spool(folder / "spool")
    async with scripted(script) as jira, opened(settings, "a test") as runtime:
        publisher = FactPublisher(runtime, "acme", NoExistingFacts(), run.found)
        maker, state = WindowFacts("acme", window, NOW), RunState(spool, folder / "acme.json")
        # What tests before this one left would keep full collections away (they wait for a quarter of all objects), and
        # garbage in cycles would count as memory in use.
        gc.collect()
        gc.freeze()
        tracemalloc.start()
        try:
            context = BackfillContext(jira, maker, publisher, state, run, LoggedProgress("acme"), 0)
            await backfill(context, NOW, "UTC")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            gc.unfreeze()
    spool.close()
    assert run.found.facts.total() == issues * 7
    return most


class Forgetful(list[httpx.Request]):
    def append(self, request: httpx.Request) -> None:
        """Keep nothing: the test's own list would be what grows."""


async def test_twice_the_issues_take_the_same_memory(tmp_path: Path) -> None:
    small, large = await peak(tmp_path / "small", 1_100), await peak(tmp_path / "large", 2_200)
    assert large <= 1.3 * small
