"""A run of what moved takes the account to be the one of the run before, and asks at its end whether it was."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from reconcile.client.jira_errors import AccountRefusedError, JiraUnavailableError
from reconcile.state.watermark import Watermark, read_watermark
from rollcall.settings import Settings
from simulator.config import DAY_MS

from ..jira_answers.altered import altered, path_of
from .backfilling import next_run
from .site import JiraSite, hurried, settings_for
from .test_moved import SITE, assert_all_known

pytestmark = pytest.mark.anyio


@dataclass
class Known:
    """A site that was read whole, a day later.

    Attributes:
        answers: What it answers from now on, by path; else as it is.
        asked: Paths that it was asked for since.
        zones: The account's time zone, once it is another.
    """

    jira: JiraSite
    given: Settings
    folder: Path
    answers: dict[str, httpx.Response]
    asked: list[str]
    zones: list[str]

    @property
    def watermark(self) -> Watermark:
        found = read_watermark(self.folder, "acme")
        assert found
        return found


@asynccontextmanager
async def known(folder: Path) -> AsyncIterator[Known]:
    answers: dict[str, httpx.Response] = {}
    asked, zones = list[str](), list[str]()

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        path = path_of(request)
        asked.append(path)
        if path == "/myself" and zones:
            return httpx.Response(200, json={**answer.json(), "timeZone": zones[0]}, headers=answer.headers)
        return answers.get(path, answers.get("everything", answer))

    async with altered(SITE, alter) as jira:
        given = settings_for(jira.url, folder)
        await next_run(given)
        jira.site.clock.advance(DAY_MS)
        asked.clear()
        yield Known(jira, given, folder / "reconcile", answers, asked, zones)


async def test_who_asks_is_asked_once_at_the_end(tmp_path: Path) -> None:
    async with known(tmp_path) as site:
        run = await next_run(site.given)
        assert run.moved
        assert run.stats.requests["GET /myself"] == 1
        assert site.asked[0] == "/worklog/updated"
        assert site.asked[-1] == "/myself"
        assert run.stats.requests["GET /worklog/updated"] == 1
        assert site.watermark.issues == run.window.until


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
async def test_a_changed_zone_reads_all_of_the_window(tmp_path: Path, zone: str) -> None:
    """Jira reads times of a query in the zone of now, and the run had asked in that of before."""
    async with known(tmp_path) as site:
        site.jira.site.config = msgspec.structs.replace(site.jira.site.config, caller_zone=zone)
        site.zones.append(zone)
        run = await next_run(site.given)
        assert run.moved is None
        assert run.missing == []
        assert site.watermark.zone == zone
        await assert_all_known(site.given, site.jira, run)
        site.jira.site.clock.advance(DAY_MS)
        assert (await next_run(site.given)).moved


async def test_another_caller_than_before_reads_all_of_the_window(tmp_path: Path) -> None:
    async with known(tmp_path) as site:
        site.answers["/myself"] = httpx.Response(200, json={"accountId": "another", "timeZone": "UTC"})
        run = await next_run(site.given)
        assert run.moved is None
        assert run.missing == []
        await assert_all_known(site.given, site.jira, run)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401),
        httpx.Response(200, json={"values": []}, headers={"x-seraph-loginreason": "AUTHENTICATED_FAILED"}),
        httpx.Response(403, headers={"x-authentication-denied-reason": "CAPTCHA_CHALLENGE"}),
    ],
    ids=["401", "200 with a login reason", "captcha"],
)
async def test_a_refused_account_is_told_by_the_first_answer(tmp_path: Path, answer: httpx.Response) -> None:
    async with known(tmp_path) as site:
        before, site.answers["everything"] = site.watermark, answer
        with pytest.raises(AccountRefusedError):
            await next_run(site.given)
        assert site.watermark == before


async def test_answers_to_a_stranger_from_the_first_on_are_no_run(tmp_path: Path) -> None:
    async with known(tmp_path) as site:
        before = site.watermark
        site.answers |= {
            "/myself": httpx.Response(401),
            "/search/jql": httpx.Response(200, json={"issues": []}),
            "/worklog/updated": httpx.Response(200, json={"values": [], "lastPage": True}),
        }
        with pytest.raises(AccountRefusedError, match="at the end of the run"):
            await next_run(site.given)
        assert site.watermark == before
        site.answers.clear()
        await assert_all_known(site.given, site.jira, await next_run(site.given))


async def test_who_asks_cannot_be_told_at_the_end(tmp_path: Path) -> None:
    """It is a gap, and the next run begins where this one did."""
    async with known(tmp_path) as site:
        before, site.answers["/myself"] = site.watermark, httpx.Response(500)
        run = await next_run(site.given, limits=hurried(2))
        assert [what.partition(":")[0] for what in run.missing] == [
            "who the account is, and so whether Jira gives it everything"
        ]
        assert site.watermark == before
        await assert_all_known(site.given, site.jira, run)


@pytest.mark.parametrize("code", [403, 500, 404])
async def test_where_the_first_answer_fails_who_asks_is_asked_first(tmp_path: Path, code: int) -> None:
    async with known(tmp_path) as site:
        site.answers["/worklog/updated"] = httpx.Response(code)
        run = await next_run(site.given, limits=hurried(2))
        assert run.stats.requests["GET /myself"] >= 2
        assert len(run.missing) == 1
        assert run.missing[0].startswith("the feed of touched worklogs")


async def test_a_site_that_is_away_is_told_as_ever(tmp_path: Path) -> None:
    async with known(tmp_path) as site:
        site.answers["everything"] = httpx.Response(503)
        with pytest.raises(JiraUnavailableError, match="GET /myself"):
            await next_run(site.given, limits=hurried(2))


async def test_other_settings_are_known_before_anything_is_asked(tmp_path: Path) -> None:
    async with known(tmp_path) as site:
        other = settings_for(site.jira.url, tmp_path, "Asia/Tokyo")
        run = await next_run(other)
        assert run.moved is None
        assert run.stats.requests["GET /myself"] == 2
