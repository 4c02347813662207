"""HTML or half an answer with status 200 comes in passing: a failed try, once Jira has given a good answer."""

from collections import Counter
from pathlib import Path

import httpx
import pytest

from reconcile.client.endpoints import MYSELF, SEARCH, USERS
from reconcile.client.jira_errors import JiraRefusedError, JiraUnavailableError
from reconcile.responses import Myself, SearchPage

from ..reconcile.backfilling import appended, reconcile
from ..reconcile.oracle import assert_equal
from ..reconcile.scripted import Script, page, scripted
from ..reconcile.site import config, settings_for
from .altered import altered, path_of

pytestmark = pytest.mark.anyio

HTML = b"<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>"
CUT = b'{"issues": [{"id": "1", "fields": {"summa'
NONSENSE = {"html": HTML, "cut": CUT, "empty": b"", "half a letter": b'{"issues": ["\xe2\x82', "two": b"{}{}"}
GOOD = page({"timeZone": "UTC"})


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_after_a_good_answer_it_is_a_failed_try(body: bytes) -> None:
    nonsense = httpx.Response(200, content=body)
    script = Script([GOOD, nonsense, nonsense, page({"issues": [{"id": "1"}]})])
    async with scripted(script) as jira:
        await jira.read(Myself, MYSELF)
        assert len((await jira.read(SearchPage, SEARCH, body={})).issues) == 1
    assert script.waited == [2.0, 4.0]
    assert jira.stats.waits == {"no-json": 2}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_after_the_last_try_it_is_an_error_that_does_not_doubt_the_site(body: bytes) -> None:
    script = Script([GOOD, httpx.Response(200, content=body)])
    async with scripted(script, attempts=4) as jira:
        await jira.read(Myself, MYSELF)
        with pytest.raises(JiraUnavailableError, match="no JSON, or cut short, 4 times over") as caught:
            await jira.read(SearchPage, SEARCH, body={})
    assert len(script.asked) == 5
    assert "Jira Cloud site?" not in str(caught.value)
    assert "--resume" not in str(caught.value)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_before_any_good_answer_it_asks_whether_that_is_jira(body: bytes) -> None:
    script = Script([httpx.Response(200, content=body)])
    async with scripted(script) as jira:
        with pytest.raises(JiraRefusedError, match="is the site's url that of a Jira Cloud site"):
            await jira.read(Myself, MYSELF)
    assert (len(script.asked), script.waited) == (1, [])


async def test_json_of_another_shape_stays_final() -> None:
    async with scripted(Script([GOOD, page({"issues": 3})])) as jira:
        await jira.read(Myself, MYSELF)
        with pytest.raises(JiraRefusedError, match="has an unknown form"):
            await jira.read(SearchPage, SEARCH, body={})


@pytest.mark.parametrize("body", [HTML, CUT], ids=["html", "cut"])
@pytest.mark.parametrize(
    "path", ["/search/jql", "/changelog/bulkfetch", "/worklog/updated", "/users/search", "/applicationrole"]
)
async def test_once_in_a_run_it_costs_a_try_and_no_fact(tmp_path: Path, path: str, body: bytes) -> None:
    asked = Counter[str]()

    def once(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        asked[path_of(request)] += 1
        if path_of(request) == path and asked[path] == 1:
            return httpx.Response(200, content=body, headers={"content-type": "text/html"})
        return answer

    async with altered(config(people=4, acts_per_day=0.3, days=32, hard_cases=False), once) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings)
        assert_equal((await appended(settings)).facts, jira.site, run.window)
    assert (run.missing, run.unfinished, run.directory_done) == ([], False, True)
    assert run.stats.waits == {"no-json": 1}
    assert asked[path] > 1


async def test_a_bare_array_that_is_cut_is_no_end_of_a_list() -> None:
    script = Script([GOOD, httpx.Response(200, content=b'[{"accountId": "a"}'), page([])])
    async with scripted(script) as jira:
        await jira.read(Myself, MYSELF)
        assert await jira.read(list[dict[str, str]], USERS) == []
    assert len(script.asked) == 3
