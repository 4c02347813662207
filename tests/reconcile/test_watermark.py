"""When a run reads all of its window, and how far the watermark that says so stands."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.run import RunOptions
from reconcile.state.watermark import Watermark, keep_watermark, moved_since, read_watermark
from reconcile.state.window import Window, WindowRequest
from rollcall.settings import ReconcileSettings
from simulator.config import DAY_MS

from ..jira_answers.altered import altered, path_of
from ..jira_answers.answering import SERVER_INFO
from .backfilling import next_run, reconcile
from .site import NOW, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
SITE = config(people=6, acts_per_day=4.0, days=33, hard_cases=False)
WINDOW = Window(NOW - 30 * DAY_MS, NOW)
STOOD = Watermark(basis="b", whole_at=NOW - DAY_MS, issues=NOW - DAY_MS, worklogs=NOW - DAY_MS, deletions=NOW - DAY_MS)


def otherwise(**given: Any) -> Watermark:
    return Watermark(**{**{name: getattr(STOOD, name) for name in STOOD.__struct_fields__}, **given})


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, id="nothing is remembered"),
        pytest.param(otherwise(basis="another account"), id="another basis"),
        pytest.param(otherwise(whole_at=NOW - 7 * DAY_MS), id="a week ago"),
        pytest.param(otherwise(whole_at=NOW + 1), id="the clock went back behind the whole run"),
        pytest.param(otherwise(issues=NOW + 1), id="the clock went back behind a run"),
        pytest.param(otherwise(issues=0), id="never read without a gap"),
        pytest.param(otherwise(issues=NOW - 40 * DAY_MS), id="before the window"),
    ],
)
def test_when_all_of_the_window_is_read(before: Watermark | None) -> None:
    assert moved_since(before, "b", NOW, WINDOW, ReconcileSettings()) is None


def test_when_only_what_moved_is_read() -> None:
    moved = moved_since(otherwise(whole_at=NOW - 6 * DAY_MS - 3 * HOUR_MS), "b", NOW, WINDOW, ReconcileSettings())
    assert moved is not None
    assert moved.issues == moved.worklogs == moved.deletions == NOW - DAY_MS - 2 * HOUR_MS
    assert moved_since(STOOD, "", NOW, WINDOW, ReconcileSettings()) is None
    assert moved_since(STOOD, "b", NOW, WINDOW, ReconcileSettings(whole_days=1)) is None


async def test_other_settings_or_another_account_read_all_of_it(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        jira.site.clock.advance(DAY_MS)
        for other in (
            settings_for(jira.url.replace("127.0.0.1", "localhost"), tmp_path),
            settings_for(jira.url, tmp_path, "Asia/Tokyo"),
            settings_for(jira.url, tmp_path, reconcile={"days": 40}),
        ):
            folder = tmp_path / "reconcile"
            run = await reconcile(other, RunOptions(parts=("activity",)), watermark=read_watermark(folder, "acme"))
            assert run.moved is None
        assert (await next_run(given)).moved is not None

    def another(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if path_of(request) == "/myself":
            return httpx.Response(200, json={**answer.json(), "accountId": "another"}, headers=answer.headers)
        return answer

    another_folder = tmp_path / "another"
    another_folder.mkdir()
    async with altered(SITE, another) as jira:
        other = settings_for(jira.url, another_folder)
        run = await reconcile(other, RunOptions(parts=("activity",)), watermark=read_watermark(folder, "acme"))
        assert run.moved is None


async def test_windows_that_are_named_are_read_whole(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        first = await next_run(given)
        stood = read_watermark(tmp_path / "reconcile", "acme")
        jira.site.clock.advance(DAY_MS)
        few = await next_run(given, RunOptions(WindowRequest(days=3), ("activity",)))
        assert few.moved is None
        assert (
            read_watermark(tmp_path / "reconcile", "acme") == stood
        )  # less than the default window stands for nothing
        dry = await reconcile(given, RunOptions(parts=("activity",), dry_run=True), watermark=stood)
        assert dry.moved is None
        month = await next_run(given, RunOptions(WindowRequest(days=30), ("activity",)))
        assert month.moved is None
        assert month.issues.issues >= first.issues.issues / 2
        now = read_watermark(tmp_path / "reconcile", "acme")
        assert now is not None
        assert now.whole_at == now.issues == month.window.until


@pytest.mark.parametrize("content", [b"", b"[]", b'{"basis": 7}', b'{"began": 5, "unfinished": false}', b"\xff"])
def test_what_another_version_left_is_read_from_jira_once_more(tmp_path: Path, content: bytes) -> None:
    keep_watermark(tmp_path, "acme", STOOD)
    assert read_watermark(tmp_path, "acme") == STOOD
    assert read_watermark(tmp_path, "other") is None
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert moved_since(read_watermark(tmp_path, "acme"), "b", NOW, WINDOW, ReconcileSettings()) is None


@pytest.mark.parametrize("info", [True, False], ids=["server info tells", "nothing tells"])
async def test_a_jira_that_dates_no_answer(tmp_path: Path, info: bool) -> None:
    def undated(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if path_of(request) == "/serverInfo" and not info:
            return httpx.Response(500)
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "date"}
        return httpx.Response(answer.status_code, content=answer.content, headers=headers)

    async with altered(SITE, undated) as jira:
        given = settings_for(jira.url, tmp_path)
        run = await next_run(given)
        assert jira.site.requests[SERVER_INFO] >= 1
        stood = read_watermark(tmp_path / "reconcile", "acme")
        assert stood is not None
        # This machine's clock may be any: nothing is concluded from it.
        assert (stood.issues == run.window.until) == info
        assert (stood.issues == 0) == (not info)
