"""Signing in at a provider of OpenID Connect, and what a provider may do wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from console.web.access import COOKIE

from ..ports import free_port
from . import company
from .provider import CLIENT_SECRET, Provider, go_there, of_provider, provided, sign_in
from .serving import Served, served, settings_of

CALLBACK = "/sign-in/openid/callback"


@pytest.fixture(scope="module")
def shared() -> Iterator[Provider]:
    with provided() as provider:
        yield provider


@pytest.fixture
def provider(shared: Provider) -> Iterator[Provider]:
    yield shared
    shared.fault, shared.told_when_asked, shared.algorithms = "", None, ["RS256", "HS256", "none"]
    shared.pause = 0.0
    shared.claims = {"sub": "ann-1", "groups": ["admins"]}


@pytest.fixture(scope="module")
def page(shared: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = free_port()
    folder = tmp_path_factory.mktemp("openid")
    settings = settings_of(folder, company.SITES, of_provider(shared, port), listen=f"127.0.0.1:{port}")
    with served(settings) as served_page:
        yield served_page


@pytest.fixture
def viewer(page: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url) as client:
        yield client


def forget(viewer: httpx.Client, provider: Provider) -> None:
    """Have the page forget what it knows of the provider, as it does after any failure."""
    provider.fault = "token is html"
    assert sign_in(viewer).status_code == 403


def test_who_is_in_a_group_signs_in_and_gets_where_they_wanted(viewer: httpx.Client, provider: Provider) -> None:
    led = viewer.get("/seats?site=acme&q=a")
    assert led.headers["location"] == "/sign-in?next=/seats%3Fsite%3Dacme%26q%3Da"
    form = viewer.get(led.headers["location"])
    assert f'href="{viewer.base_url}/sign-in/openid?next=/seats%3Fsite%3Dacme%26q%3Da"' in form.text
    assert "password" not in form.text
    assert f"Sign in at 127.0.0.1:{provider.port}" in form.text
    signed = sign_in(viewer, "/seats?site=acme&q=a")
    assert (signed.status_code, "location" in signed.headers) == (200, False)
    assert 'content="0; url=/seats?site=acme&amp;q=a"' in signed.text
    [session] = [line for line in signed.headers.get_list("set-cookie") if line.startswith(f"{COOKIE}=")]
    assert {"httponly", "samesite=strict", "path=/"} <= set(session.lower().split("; "))
    assert viewer.get("/seats?site=acme").status_code == 200
    assert viewer.get("/sign-in").status_code == 303


def test_groups_say_what_somebody_sees(viewer: httpx.Client, provider: Provider) -> None:
    provider.claims = {"sub": "bob-2", "groups": ["staff", "finance"]}
    assert sign_in(viewer).status_code == 200
    assert [viewer.get(path).status_code for path in ("/", "/licenses", "/seats")] == [200, 200, 403]
    assert "your groups show figures only" in viewer.get("/seats.csv").text
    provider.claims = {"sub": "bob-2", "groups": ["staff", "finance", "admins"]}
    assert sign_in(viewer).status_code == 200
    assert viewer.get("/seats").status_code == 200


@pytest.mark.parametrize("groups", [[], ["Admins"], "staff", [1, None, {"admins": 1}]])
def test_who_is_in_no_group_sees_nothing(viewer: httpx.Client, provider: Provider, groups: Any) -> None:
    provider.claims = {"sub": "eve-3", "preferred_username": "eve", "groups": groups}
    refused = sign_in(viewer)
    assert (refused.status_code, COOKIE in viewer.cookies) == (403, False)
    assert "eve is in none of the groups" in refused.text
    assert viewer.get("/").status_code == 303


def test_a_claim_may_be_one_word(viewer: httpx.Client, provider: Provider) -> None:
    provider.claims = {"sub": "ann-1", "groups": "admins"}
    assert sign_in(viewer).status_code == 200


def test_groups_that_the_token_lacks_are_asked_for(viewer: httpx.Client, provider: Provider) -> None:
    provider.claims = {"sub": "ann-1"}
    provider.told_when_asked = {"groups": ["admins"]}
    assert sign_in(viewer).status_code == 200
    provider.told_when_asked = {"groups": ["admins"], "sub": "somebody-else"}
    viewer.cookies.clear()
    refused = sign_in(viewer)
    assert (refused.status_code, "told of somebody else" in refused.text) == (403, True)
    provider.told_when_asked = {}
    refused = sign_in(viewer)
    assert (refused.status_code, "told no `groups` of you" in refused.text) == (403, True)
    assert COOKIE not in viewer.cookies


FAULTS = {
    "metadata is html": "its answer cannot be read",
    "metadata is a list": "its answer cannot be read",
    "metadata 503": "it answers 503",
    "metadata elsewhere": "it answers 307",
    "another issuer": "it names itself &#39;https://evil.example&#39;",
    "no token endpoint": "does not tell its token_endpoint",
}
"""What it says of itself; nobody is led there."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_is_not_as_set_is_told_and_asked_again(
    viewer: httpx.Client, provider: Provider, fault: str
) -> None:
    forget(viewer, provider)
    provider.fault = fault
    for _ in range(2):
        refused = viewer.get("/sign-in/openid")
        assert (refused.status_code, FAULTS[fault] in refused.text) == (403, True), refused.text
    provider.fault = ""
    assert sign_in(viewer).status_code == 200, "it mended itself without a restart"


TOKENS = {
    "refuses": "invalid_client",
    "token is html": "cannot be read",
    "no id_token": "sent no id_token",
    "for another client": "proves nothing",
    "for another client, to us": "proves nothing",
    "of another issuer": "proves nothing",
    "of another sign-in": "proves nothing",
    "expired": "proves nothing",
    "of tomorrow": "proves nothing",
    "without nonce": "proves nothing",
    "without exp": "proves nothing",
    "without aud": "proves nothing",
    "without sub": "proves nothing",
    "unsigned": "proves nothing",
    "signed with the public key": "proves nothing",
    "signed by another": "proves nothing",
    "keys 500": "it answers 500",
    "denied": "did not sign you in: access_denied",
}


@pytest.mark.parametrize("fault", TOKENS)
def test_what_proves_nothing_opens_nothing(viewer: httpx.Client, provider: Provider, fault: str) -> None:
    forget(viewer, provider)
    provider.fault = fault
    refused = sign_in(viewer)
    assert (refused.status_code, COOKIE in viewer.cookies) == (403, False)
    assert TOKENS[fault] in refused.text, refused.text
    assert "<b>" not in refused.text
    assert CLIENT_SECRET not in refused.text
    provider.fault = ""
    assert sign_in(viewer).status_code == 200


def test_a_stranger_s_failure_costs_nobody_their_sign_in(
    page: Served, viewer: httpx.Client, provider: Provider
) -> None:
    """What is known of the provider is forgotten after a failure, but not by who comes back just then."""
    provider.claims, provider.told_when_asked = {"sub": "ann-1"}, {"groups": ["admins"]}
    back = go_there(viewer)
    provider.pause = 0.5

    def fail() -> None:
        with httpx.Client(base_url=page.url) as stranger:
            assert stranger.get(go_there(stranger) + "0").status_code == 403
            provider.pause, provider.fault = 0.0, "token is html"
            assert sign_in(stranger).status_code == 403
            provider.fault = ""

    with ThreadPoolExecutor(1) as beside:
        failing = beside.submit(fail)
        signed = viewer.get(back, timeout=30)
        failing.result()
    assert signed.status_code == 200, signed.text


def test_a_code_that_was_used_is_said_to_be_so(viewer: httpx.Client, provider: Provider) -> None:
    provider.fault = "a used code"
    refused = sign_in(viewer)
    assert (refused.status_code, "takes this sign-in for used or too old" in refused.text) == (403, True)


@pytest.mark.parametrize("algorithms", [7, "RS256", None, [7, {}, "RS256"]])
def test_what_a_provider_says_of_its_algorithms_may_be_odd(
    viewer: httpx.Client, provider: Provider, algorithms: Any
) -> None:
    forget(viewer, provider)
    provider.fault, provider.algorithms = "", algorithms
    assert sign_in(viewer).status_code == 200


def test_new_keys_of_the_provider_are_learned(viewer: httpx.Client, provider: Provider) -> None:
    assert sign_in(viewer).status_code == 200
    provider.key, provider.other_key = provider.other_key, provider.key
    viewer.cookies.clear()
    tries = [sign_in(viewer).status_code for _ in range(2)]
    assert tries[-1] == 200, "they have the kid of the old ones, so the first try may fail"


def test_a_way_back_is_good_for_the_browser_that_went_and_once(page: Served, provider: Provider) -> None:
    with httpx.Client(base_url=page.url) as viewer, httpx.Client(base_url=page.url) as other:
        back = go_there(viewer)
        stolen = other.get(back)
        assert (stolen.status_code, COOKIE in other.cookies) == (403, False)
        assert "Sign in again" in stolen.text
        assert viewer.get(back).status_code == 200
        viewer.cookies.delete(COOKIE)
        assert viewer.get(back).status_code == 403, "used"


@pytest.mark.parametrize("query", ["", "?code=1", "?state=1", "?code=1&state=1", "?error=<b>", "?error=" + "a" * 9000])
def test_what_strangers_make_up_opens_nothing(viewer: httpx.Client, provider: Provider, query: str) -> None:
    provider.asked.clear()
    answer = viewer.get(f"{CALLBACK}{query}")
    assert (answer.status_code, COOKIE in viewer.cookies) == (403, False)
    assert "<b>" not in answer.text
    assert "token" not in provider.asked


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "javascript:alert(1)", "/sign-out"])
def test_it_leads_nowhere_else(viewer: httpx.Client, provider: Provider, there: str) -> None:
    assert 'content="0; url=/"' in sign_in(viewer, there).text


def test_an_address_that_no_cookie_could_hold_costs_the_view_and_not_the_sign_in(
    viewer: httpx.Client, provider: Provider
) -> None:
    assert 'content="0; url=/"' in sign_in(viewer, f"/seats?q={'a' * 4000}").text
    assert viewer.get("/seats").status_code == 200
