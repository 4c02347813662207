"""Who a trusted proxy says somebody is, and who is no such proxy."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock, call

import httpx
import pytest
from pydantic import ValidationError
from starlette.requests import HTTPConnection

from console.web.access import Decision, Password, Role, Visitor
from console.web.openapi import PREFIX
from console.web.sign_in import TrustedProxy
from rollcall.http.guard import MOST_FAILURES, Throttle
from rollcall.settings import PageSettings

from . import company
from .serving import Served, served, settings_of

PROOF = "0123456789abcdef0123"
PROXY = {"user_header": "X-Forwarded-User", "secret": PROOF}
PAGE = {"proxy": PROXY, "names_groups": ["admins", "heads of it", "Zürich"], "figures_groups": ["finance"]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(tmp_path_factory.mktemp("proxy"), company.SITES, page=PAGE)) as served_page:
        yield served_page


def ask(page: Served, path: str = "/", *, proof: str | None = PROOF, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if proof is not None:
        sent["x-rollcall-proxy-secret"] = proof
    return httpx.get(page.url + path, headers={"x-forwarded-for": "192.0.2.1", "host": "rollcall.example", **sent})


def test_groups_say_what_somebody_sees(page: Served) -> None:
    for groups, statuses in (
        ("staff, heads of it", [200, 200]),
        ("finance", [200, 403]),
        ("x,finance,admins", [200, 200]),
    ):
        named = {"x_forwarded_user": "ann", "x_forwarded_groups": groups}
        assert [ask(page, path, **named).status_code for path in ("/", "/seats")] == statuses, groups
        assert ask(page, f"{PREFIX}/sites", **named).status_code == 200
    assert "your groups show figures only" in ask(page, "/seats.csv", **named | {"x_forwarded_groups": "finance"}).text
    assert "Sign out" not in ask(page, **named).text, "the proxy signs people in and out"
    asked_to = ask(page, "/sign-in?next=/health", **named)
    assert (asked_to.status_code, asked_to.headers["location"]) == (303, "/health"), "who is signed in already"


@pytest.mark.parametrize("groups", ["", "staff", "Admins", "admins2", "heads,of,it"])
def test_who_is_in_no_group_sees_nothing(page: Served, groups: str) -> None:
    named = {"x_forwarded_user": "eve", "x_forwarded_groups": groups}
    refused = ask(page, **named)
    assert (refused.status_code, "in no group that may see the page" in refused.text) == (403, True)
    told = ask(page, f"{PREFIX}/sites", **named)
    assert (told.status_code, "page.names_groups" in told.json()["detail"]) == (403, True)


def test_whoever_cannot_prove_to_be_the_proxy_is_nobody(page: Served) -> None:
    named = {"x_forwarded_user": "ann", "x_forwarded_groups": "admins"}
    led = ask(page, proof=None, **named)
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in")
    assert 'id="by-proxy"' in ask(page, "/sign-in", proof=None, **named).text
    for wrong in ("", PROOF[:-1], PROOF + "0", "\u00e9"):
        refused = httpx.get(
            page.url,
            headers=[
                (b"x-rollcall-proxy-secret", wrong.encode()),
                (b"x-forwarded-user", b"ann"),
                (b"x-forwarded-groups", b"admins"),
            ],
        )
        assert (refused.status_code, "could not prove" in refused.text) == (403, True), wrong
    twice = [("x-rollcall-proxy-secret", "a guess"), ("x-rollcall-proxy-secret", PROOF), *named.items()]
    assert httpx.get(page.url, headers=twice).status_code == 403, "one of the two is not the proxy's"
    once = [("x-rollcall-proxy-secret", PROOF), ("x-forwarded-user", "eve"), ("x-forwarded-groups", "staff")]
    for added in (("x-forwarded-groups", "admins,"), ("x-forwarded-user", "ann")):
        assert httpx.get(page.url, headers=[added, *once]).status_code == 403, (
            "the client's own word beside the proxy's"
        )


@pytest.mark.parametrize(("name", "role"), [("ann@acme.example", Role.NAMES), ("eve,ann@acme.example", None)])
def test_who_is_listed_by_name_is_one_person_whatever_their_name(name: str, role: Role | None) -> None:
    by_name = {"proxy": {**PROXY, "groups_header": "x-forwarded-user"}, "names_groups": ["ann@acme.example"]}
    proxy = TrustedProxy(PageSettings.model_validate(by_name), Password("", Throttle(lambda: 0.0)))
    headers = [(b"x-rollcall-proxy-secret", PROOF.encode()), (b"x-forwarded-user", name.encode())]
    told = proxy.told(HTTPConnection({"type": "http", "headers": headers}))
    assert told == (Visitor(role, "proxy", name) if role else Decision.NO_GROUP)


def test_headers_are_utf_8(page: Served) -> None:
    sent = [
        (b"x-rollcall-proxy-secret", PROOF.encode()),
        (b"x-forwarded-user", "jürg".encode()),
        (b"x-forwarded-groups", "staff,Zürich".encode()),
    ]
    assert httpx.get(page.url, headers=sent).status_code == 200


def test_it_may_let_through_whom_it_does_not_know(page: Served) -> None:
    assert ask(page).status_code == 303
    assert ask(page, x_forwarded_user="", x_forwarded_groups="admins").status_code == 303


def test_many_wrong_ones_keep_nobody_out_who_comes_by_the_proxy(page: Served) -> None:
    named = {"x_forwarded_user": "ann", "x_forwarded_groups": "admins"}
    assert {ask(page, proof="a guess", **named).status_code for _ in range(MOST_FAILURES + 2)} == {403}
    assert ask(page, **named).status_code == 200


def test_who_it_was_is_in_the_log(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock()
    monkeypatch.setattr("console.web.access._log", told)
    ask(page, "/health", x_forwarded_user="ann@acme.example", x_forwarded_groups="admins")
    who = {"client": "127.0.0.1", "by": "proxy", "sees": "names", "user": "ann@acme.example"}
    assert told.info.mock_calls == [call("page viewed", **who, kind="health", site="", outcome="ok", rows=0)]
    ask(page, "/health", proof="a guess", x_forwarded_user="eve@acme.example")
    assert "eve@acme.example" not in str(told.mock_calls), "a stranger's word is no line"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"proxy": {"user_header": "X-User"}}, "belong together"),
        ({"proxy": {"secret": PROOF}}, "belong together"),
        ({"proxy": {**PROXY, "secret": "short"}}, "shorter than 16"),
        ({"proxy": {**PROXY, "user_header": "X User"}}, "pattern"),
        ({"proxy": {**PROXY, "user_header": "Cookie"}}, "holds a secret"),
        ({"names_groups": ["CN=admins,OU=it"]}, "a group with a comma"),
        ({"names_groups": [], "figures_groups": []}, "lets none of them in"),
        ({"proxy": {}}, "nobody tells"),
        ({"unprotected": True}, "unprotected = true"),
    ],
)
def test_settings_that_let_anybody_in_are_refused(wrong: dict[str, Any], said: str) -> None:
    assert PageSettings.model_validate(PAGE).signs_in
    with pytest.raises(ValidationError, match=said):
        PageSettings.model_validate({**PAGE, **wrong})
