"""An answer to a stranger is none to us: a login reason refuses the account, and the end of a run asks once more."""

from collections import Counter
from pathlib import Path

import httpx
import pytest

from reconcile.client.endpoints import APPLICATION_ROLES, MYSELF, SEARCH
from reconcile.client.jira_errors import AccountRefusedError, JiraRefusedError, NotThereError
from reconcile.responses import ApplicationRole, Myself, SearchPage

from ..reconcile.backfilling import appended, reconcile
from ..reconcile.commandline import command, write_config
from ..reconcile.oracle import assert_equal
from ..reconcile.scripted import TOKEN, Script, page, scripted
from ..reconcile.site import config, settings_for
from .altered import altered, path_of

pytestmark = pytest.mark.anyio

SMALL = config(people=5, acts_per_day=0.5, days=32, hard_cases=False)
REASON = "x-seraph-loginreason"


def to_a_stranger(content: bytes = b"", status: int = 200, reason: str = "AUTHENTICATED_FAILED") -> httpx.Response:
    return httpx.Response(status, content=content, headers={REASON: reason})


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("reason", ["AUTHENTICATED_FAILED", "authenticated_failed", "OK, AUTHENTICATED_FAILED", "OUT"])
async def test_a_login_reason_is_a_refusal_of_the_account_whatever_the_status(status: int, reason: str) -> None:
    script = Script([to_a_stranger(b'{"issues": []}', status, reason)])
    async with scripted(script) as jira:
        with pytest.raises(AccountRefusedError, match="refuses the login") as caught:
            await jira.read(SearchPage, SEARCH, body={})
    assert (len(script.asked), script.waited) == (1, [])
    assert ("check email and api_token" in str(caught.value), caught.value.status >= 400) == (True, True)


@pytest.mark.parametrize("reason", ["OK", "ok", " Ok ", "OK, OK", "", ","])
async def test_a_login_that_went_well_is_none(reason: str) -> None:
    async with scripted(Script([to_a_stranger(b'{"timeZone": "UTC"}', reason=reason)])) as jira:
        assert (await jira.read(Myself, MYSELF)).time_zone == "UTC"


async def test_two_headers_of_that_name_are_read_both() -> None:
    answer = httpx.Response(200, content=b"{}", headers=[(REASON, "OK"), (REASON, "AUTHENTICATED_FAILED")])
    script = Script(by_path={"/myself": lambda _: answer})
    async with scripted(script) as jira:
        with pytest.raises(AccountRefusedError):
            await jira.read(Myself, MYSELF)


async def test_what_the_header_says_is_no_way_in_for_text() -> None:
    async with scripted(Script([to_a_stranger(reason=f"<b>{TOKEN}</b>")])) as jira:
        with pytest.raises(AccountRefusedError) as caught:
            await jira.ask(MYSELF)
    assert TOKEN not in str(caught.value)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {REASON: "AUTHENTICATION_DENIED"},
        {REASON: "AUTHENTICATED_FAILED", "x-authentication-denied-reason": "CAPTCHA_CHALLENGE; login-url=https://x/y"},
    ],
)
async def test_a_captcha_is_named_with_its_remedy(headers: dict[str, str]) -> None:
    async with scripted(Script([httpx.Response(403, content=b"<html>", headers=headers)])) as jira:
        with pytest.raises(AccountRefusedError, match=r"CAPTCHA after failed logins .* once in a browser") as caught:
            await jira.ask(MYSELF)
    assert "permission" not in str(caught.value)


async def test_an_ip_allowlist_is_named_with_its_remedy() -> None:
    """The words are those of Atlassian's support page."""
    words = "The IP address has been rejected because it is not on the allowed list. See your admin for more."
    for body in (page({"errorMessages": [words], "errors": {}}, 403), httpx.Response(403, text=f"<p>{words}</p>")):
        async with scripted(Script([body])) as jira:
            with pytest.raises(JiraRefusedError, match=r"IP allowlist .* admin\.atlassian\.com") as caught:
                await jira.ask(MYSELF)
        assert "lacks a permission" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_missing_scope_is_no_expired_token(status: int) -> None:
    answers = {
        "/applicationrole": lambda _: page({"code": status, "message": "Unauthorized; scope does not match"}, status)
    }
    async with scripted(Script([page({})], by_path=answers)) as jira:
        with pytest.raises(JiraRefusedError, match=r"scope does not match; .* lacks a scope .* manage:jira") as caught:
            await jira.read(list[ApplicationRole], APPLICATION_ROLES)
    assert not isinstance(caught.value, AccountRefusedError)
    assert "expired" not in str(caught.value)


async def test_401_of_one_endpoint_alone_is_no_refusal_of_the_account() -> None:
    script = Script([page({"timeZone": "UTC"})], by_path={"/applicationrole": lambda _: page({}, 401)})
    async with scripted(script) as jira:
        await jira.read(Myself, MYSELF)
        with pytest.raises(JiraRefusedError) as caught:
            await jira.read(list[ApplicationRole], APPLICATION_ROLES)
    assert (type(caught.value), caught.value.status) == (JiraRefusedError, 401)


async def test_401_of_every_endpoint_is_one() -> None:
    script = Script([page({"timeZone": "UTC"}), page({}, 401)])
    async with scripted(script) as jira:
        await jira.read(Myself, MYSELF)
        with pytest.raises(AccountRefusedError):
            await jira.read(list[ApplicationRole], APPLICATION_ROLES)
    assert len(script.asked) == 3


async def test_404_is_that_of_a_thing_or_of_a_wrong_address() -> None:
    async with scripted(Script([httpx.Response(404, text="<html>")])) as jira:
        with pytest.raises(NotThereError, match="is the site's url that of a Jira Cloud site"):
            await jira.ask(MYSELF)
    async with scripted(Script([page({}), httpx.Response(404, text="<html>")])) as jira:
        await jira.read(Myself, MYSELF)
        with pytest.raises(NotThereError, match="not there, or not visible"):
            await jira.ask(SEARCH)


async def test_a_token_that_dies_under_way_does_not_end_in_done(tmp_path: Path) -> None:
    """All of it 200, and the last third empty: 0 would say that nothing was missing."""
    asked = Counter[str]()

    def dies(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
        asked["all"] += 1
        return answer if asked["all"] < 12 else to_a_stranger()

    async with altered(SMALL, dies) as jira:
        done = await command(write_config(jira.url, tmp_path), "reconcile")
    assert done.code == 1
    assert "refuses the login (AUTHENTICATED_FAILED)" in " ".join(done.err.split())


async def test_a_refusal_at_the_end_is_no_success_and_the_next_run_is_a_new_one(tmp_path: Path) -> None:
    """A token that died where answers to strangers look whole: only the last question tells."""
    asked, alive = Counter[str](), list[bool]()

    def dies(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        asked[path_of(request)] += 1
        stranger = asked["/worklog/updated"] and not alive
        if path_of(request) == "/myself":
            return page({}, 401) if stranger else answer
        if stranger and path_of(request).startswith("/worklog/"):
            return page([] if path_of(request) == "/worklog/list" else {"values": [], "lastPage": True})
        return answer

    async with altered(SMALL, dies) as jira:
        settings = settings_for(jira.url, tmp_path)
        with pytest.raises(AccountRefusedError, match="at the end of the run"):
            await reconcile(settings)
        alive.append(True)
        run = await reconcile(settings, resume=True)
        assert run.resumed == 0
        assert_equal((await appended(settings)).facts, jira.site, run.window)
