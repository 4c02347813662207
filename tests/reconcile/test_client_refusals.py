"""Answers that asking again would not change are errors, with Jira's own words, and never a secret."""

import base64

import httpx
import pytest

from reconcile.client.endpoints import COMMENTS, MYSELF, SEARCH
from reconcile.client.jira_errors import JiraRefusedError, NotThereError
from reconcile.responses import Myself, SearchPage
from rollcall.errors import SettingsError

from .scripted import ACME, TOKEN, Script, page, scripted

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "please report it"),
        (401, "check email and api_token"),
        (403, "lacks a permission"),
        (410, "a newer Rollcall is needed"),
        (418, ""),
    ],
)
async def test_refusals_are_fatal_at_once_with_jiras_words_and_a_remedy(status: int, remedy: str) -> None:
    words = {"errorMessages": ["The value 'x' does not exist."], "errors": {"jql": "bad"}}
    script = Script([page(words, status)])
    async with scripted(script) as jira:
        with pytest.raises(JiraRefusedError) as caught:
            await jira.ask(SEARCH, body={"jql": "x"})
    assert len(script.asked) == 1
    assert script.waited == []
    assert caught.value.status == status
    assert "POST /search/jql" in str(caught.value)
    assert "The value 'x' does not exist." in str(caught.value)
    assert remedy in str(caught.value)


async def test_404_says_so() -> None:
    async with scripted(Script([page({}, 404)])) as jira:
        with pytest.raises(NotThereError):
            await jira.ask(COMMENTS, 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Oops</html>", b"[1]", b'{"errorMessages": 3}', b"\xff\xfe", b'{"errorMessages":["\x1b[31m"]}']
)
async def test_a_body_of_any_kind_does_no_harm(body: bytes) -> None:
    async with scripted(Script([httpx.Response(403, content=body)])) as jira:
        with pytest.raises(JiraRefusedError) as caught:
            await jira.ask(MYSELF)
    assert "\x1b" not in str(caught.value)


async def test_long_words_are_cut_and_the_token_is_never_repeated() -> None:
    words = {"errorMessages": [f"you sent {TOKEN}", "a" * 5000]}
    async with scripted(Script([page(words, 400)])) as jira:
        with pytest.raises(JiraRefusedError) as caught:
            await jira.ask(MYSELF)
    assert len(str(caught.value)) < 700
    assert TOKEN not in str(caught.value)


async def test_redirects_are_never_followed() -> None:
    script = Script([httpx.Response(302, headers={"location": "https://evil.example/rest/api/3/myself"})])
    async with scripted(script) as jira:
        with pytest.raises(JiraRefusedError, match="a redirect, which is never followed"):
            await jira.ask(MYSELF)
    assert [request.url.host for request in script.asked] == ["acme.atlassian.net"]


@pytest.mark.parametrize("content", [b"<html>Sign in</html>", b"", b'["acme"]'])
async def test_an_answer_of_another_form_is_an_error_and_not_no_data(content: bytes) -> None:
    async with scripted(Script([httpx.Response(200, content=content)])) as jira:
        with pytest.raises(JiraRefusedError):
            await jira.read(Myself, MYSELF)


async def test_half_an_emoji_does_not_cost_a_page() -> None:
    content = rb'{"issues": [{"id": "1", "fields": {"summary": "cut \ud83d"}}], "isLast": true}'
    async with scripted(Script([httpx.Response(200, content=content)])) as jira:
        assert len((await jira.read(SearchPage, SEARCH)).issues) == 1


async def test_credentials_go_to_the_site_and_names_in_paths_are_quoted() -> None:
    script = Script([page({})])
    async with scripted(script) as jira:
        await jira.ask(COMMENTS, "../1?x")
    (request,) = script.asked
    assert str(request.url) == "https://acme.atlassian.net/rest/api/3/issue/..%2F1%3Fx/comment"
    wanted = base64.b64encode(f"svc@acme.example:{TOKEN}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {wanted}"


async def test_a_scoped_token_goes_to_the_gateway_and_the_cloud_id_is_asked_without_it() -> None:
    cloud = "11111111-2222-3333-4444-555555555555"
    script = Script([page({"cloudId": cloud}), page({"timeZone": "UTC"})])
    async with scripted(script, ACME.model_copy(update={"scoped_token": True})) as jira:
        await jira.ask(MYSELF)
    tenant, myself = script.asked
    assert str(tenant.url) == "https://acme.atlassian.net/_edge/tenant_info"
    assert "authorization" not in tenant.headers
    assert str(myself.url) == f"https://api.atlassian.com/ex/jira/{cloud}/rest/api/3/myself"


async def test_a_cloud_id_that_is_none_is_refused() -> None:
    script = Script([page({"cloudId": "../../evil"})])
    with pytest.raises(JiraRefusedError, match="cloud id"):
        async with scripted(script, ACME.model_copy(update={"scoped_token": True})):
            raise AssertionError("not reached")


async def test_without_a_token_it_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="set email and api_token_file"):
        async with scripted(Script([]), ACME.model_copy(update={"email": ""})):
            raise AssertionError("not reached")
