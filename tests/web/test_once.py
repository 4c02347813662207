"""The sign-in address that is printed at each start where no password is set: it opens the page, once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console.commands.services import page_address
from console.web.access import COOKIE, Gate, Password, Policy, Sessions, new_sign_in_token
from rollcall.http.guard import MOST_FAILURES, Throttle
from rollcall.logs import LINES_A_MINUTE
from rollcall.settings import Settings

from . import company
from .serving import Served, served, settings_of

TOKEN = "a-token-of-this-start"


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(tmp_path_factory.mktemp("once"), company.SITES, page={}), once=TOKEN) as opened:
        yield opened


def test_the_address_opens_the_page_once(page: Served) -> None:
    address = page_address("127.0.0.1:0", page.port, TOKEN)
    with httpx.Client() as viewer:
        for path in ("/", "/?site=acme"):
            assert viewer.get(page.url + path).headers["location"].startswith("/sign-in")
        assert viewer.get(f"{page.url}/live").status_code == 401
        assert "starts" in viewer.get(f"{page.url}/sign-in").text
        assert viewer.post(f"{page.url}/sign-in", data={"password": ""}).status_code == 303, "there is no password"
        signed = viewer.get(address)
        assert (signed.status_code, signed.headers["location"]) == (303, "/")
        assert viewer.get(f"{page.url}/").status_code == 200
        assert viewer.get(address).status_code == 303, "who is in is not asked"
    other = httpx.get(address)
    assert (other.status_code, "set-cookie" in other.headers) == (403, False)
    assert "was used already" in other.text
    assert TOKEN not in other.text


def test_nothing_else_opens_it(page: Served) -> None:
    for token in ("", TOKEN[:-1], TOKEN + "x", "\u00e9\udc80".encode("utf-8", "surrogatepass").hex()):
        answer = httpx.get(f"{page.url}/sign-in", params={"token": token})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert httpx.get(page.url, auth=("anybody", "")).status_code == 401
    assert httpx.get(page.url, auth=("anybody", TOKEN)).status_code == 401


def test_it_opens_nothing_through_a_proxy_or_another_name(page: Served) -> None:
    address = page_address("127.0.0.1:0", page.port, TOKEN)
    for headers in ({"x-forwarded-for": "192.0.2.1"}, {"host": "rollcall.example"}):
        answer = httpx.get(address, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert httpx.get(address).status_code == 303, "and is not used up by that"


def test_guessing_it_is_slowed_down(page: Served) -> None:
    for guess in range(MOST_FAILURES):
        assert httpx.get(f"{page.url}/sign-in", params={"token": str(guess)}).status_code == 403
    slowed = httpx.get(f"{page.url}/sign-in", params={"token": TOKEN})
    assert (slowed.status_code, "set-cookie" in slowed.headers) == (429, False)


@pytest.mark.parametrize(
    ("listen", "page", "there_is_one"),
    [
        ("127.0.0.1:8080", {}, True),
        ("[::1]:8080", {}, True),
        ("0.0.0.0:8080", {}, False),
        ("127.0.0.1:8080", {"password": "correct horse battery"}, False),
        ("127.0.0.1:8080", {"unprotected": True}, False),
    ],
)
def test_there_is_one_where_nobody_could_sign_in_otherwise(
    listen: str, page: dict[str, object], there_is_one: bool
) -> None:
    settings = Settings.model_validate({"listen": listen, "page": page})
    made = {new_sign_in_token(settings, listen) for _ in range(2)}
    assert len(made) == (2 if there_is_one else 1)
    assert all(len(token) == 43 for token in made) is there_is_one


def test_the_address_is_one_that_a_browser_opens() -> None:
    assert page_address("127.0.0.1:8080", 8080, "x") == "http://127.0.0.1:8080/sign-in?token=x"
    assert page_address("[::1]:8080", 8080, "") == "http://[::1]:8080/"
    assert page_address("0.0.0.0:0", 8080, "") == "http://127.0.0.1:8080/"


def test_a_view_is_a_line_of_the_log_where_it_is_wanted(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock()
    monkeypatch.setattr("console.web.access._log", told)
    settings = page.settings.model_copy(update={"audit": "on"})
    policy, sessions = Policy(settings, "127.0.0.1:8080"), Sessions(60, lambda: 0.0)

    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["query_string"].endswith(b"failing"):
            scope.setdefault("state", {})["rows_shown"] = 3
        await Response("here")(scope, receive, send)

    gate = Gate(shown, policy=policy, sessions=sessions, password=Password("", Throttle(lambda: 0.0)), audit=True)

    async def look() -> list[int]:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as viewer:
            refused = await viewer.get("/?site=acme")
            viewer.cookies.set(COOKIE, sessions.open())
            return [
                refused.status_code,
                *[(await viewer.get(path)).status_code for path in ("/?site=acme", "/live", "/?failing")],
            ]

    assert asyncio.run(look()) == [303, 200, 200, 200]
    who = {"client": "127.0.0.1", "by": "session", "sees": "names", "kind": "page"}
    assert told.info.mock_calls == [
        call("page refused", outcome="not signed in", client="127.0.0.1", kind="page"),
        call("page viewed", **who, site="acme", outcome="ok", rows=3),
        call("page viewed", **who, site="", outcome="failed", rows=None),
    ]


def test_refused_views_are_lines_without_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock()
    monkeypatch.setattr("console.web.access._log", told)
    page = {"password": "correct horse battery"}
    with served(settings_of(tmp_path, company.SITES, page=page, audit="on")) as running:
        assert httpx.get(f"{running.url}/?q=secret", timeout=60).status_code == 303
        assert httpx.get(f"{running.url}/live", timeout=60).status_code == 401
        for _ in range(MOST_FAILURES):
            assert httpx.get(running.url, auth=("x", "a wrong secret"), timeout=60).status_code == 401
        for _ in range(2 * LINES_A_MINUTE):
            assert httpx.get(running.url, auth=("x", "a wrong secret"), timeout=60).status_code == 429

    def line(outcome: str, kind: str = "page") -> Any:
        return call("page refused", outcome=outcome, client="127.0.0.1", kind=kind)

    assert told.info.mock_calls == [
        line("not signed in"),
        line("not signed in", "live"),
        *[line("wrong password")] * MOST_FAILURES,
        *[line("too many wrong passwords")] * LINES_A_MINUTE,
    ]
    assert "secret" not in str(told.mock_calls)
