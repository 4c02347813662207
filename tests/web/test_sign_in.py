"""Signing in over HTTP, without a browser's good manners."""

from collections.abc import Iterator

import httpx
import pytest

from . import company
from .serving import Served, served, settings_of

PASSWORD = "correct horse battery"
PUBLIC = "https://rollcall.example:8443"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(
        tmp_path_factory.mktemp("signing"), company.SITES, page={"password": PASSWORD, "public_url": PUBLIC}
    )
    with served(settings) as served_page:
        yield served_page


@pytest.fixture
def viewer(page: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, headers={"origin": page.url}) as client:
        yield client


def give(viewer: httpx.Client, password: str = PASSWORD, **fields: str) -> httpx.Response:
    return viewer.post("/sign-in", data={"password": password, **fields})


def test_the_page_leads_to_the_form_and_back(viewer: httpx.Client) -> None:
    led = viewer.get("/?site=acme&q=a%26b")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/%3Fsite%3Dacme%26q%3Da%2526b")
    form = viewer.get(led.headers["location"])
    assert form.status_code == 200
    assert 'name="next" value="/?site=acme&amp;q=a%26b"' in form.text
    signed = give(viewer, next="/?site=acme&q=a%26b")
    assert (signed.status_code, signed.headers["location"]) == (303, "/?site=acme&q=a%26b")
    assert viewer.get("/").status_code == 200
    assert viewer.get("/sign-in").status_code == 303


def test_a_part_for_the_script_is_401(viewer: httpx.Client) -> None:
    assert viewer.get("/live").status_code == 401


@pytest.mark.parametrize(
    "there",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/sign-out", "/?\r\nx: y", "", "javascript:1"],
)
def test_it_leads_nowhere_else(viewer: httpx.Client, there: str) -> None:
    assert give(viewer, next=there).headers["location"] == "/"


def test_the_cookie_is_out_of_reach(viewer: httpx.Client) -> None:
    cookie = give(viewer).headers["set-cookie"]
    parts = cookie.lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= set(parts)
    assert "secure" not in parts, "this host is reached by http"


def test_the_cookie_is_secure_at_the_public_address(viewer: httpx.Client) -> None:
    public = {"host": "rollcall.example:8443", "origin": PUBLIC, "x-forwarded-proto": "http"}
    answer = viewer.post("/sign-in", data={"password": PASSWORD}, headers=public)
    assert "secure" in answer.headers["set-cookie"].lower().split("; ")
    forged = viewer.post("/sign-in", data={"password": PASSWORD}, headers={"x-forwarded-proto": "https"})
    assert "secure" not in forged.headers["set-cookie"].lower().split("; ")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_forms_of_other_sites_do_nothing(viewer: httpx.Client, headers: dict[str, str], path: str) -> None:
    give(viewer)
    answer = viewer.post(path, data={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert viewer.get("/").status_code == 200, "still signed in"


def test_the_browser_s_own_word_is_enough(viewer: httpx.Client) -> None:
    del viewer.headers["origin"]
    assert give(viewer).status_code == 403
    viewer.headers["sec-fetch-site"] = "same-origin"
    assert give(viewer).status_code == 303


def test_signing_out_ends_the_session_for_copies_too(page: Served, viewer: httpx.Client) -> None:
    give(viewer)
    (copied,) = viewer.cookies.jar
    assert viewer.post("/sign-out").headers["location"] == "/sign-in"
    assert viewer.get("/").status_code == 303
    copy = httpx.get(page.url, headers={"cookie": f"{copied.name}={copied.value}"})
    assert copy.status_code == 303


@pytest.mark.parametrize("body", [b"password=%ff", b"\xff", b"&" * 5000, b"a=1&" * 20, b"x" * 5000, b""])
def test_what_is_no_form_is_no_sign_in(viewer: httpx.Client, body: bytes) -> None:
    answer = viewer.post("/sign-in", content=body)
    assert answer.status_code in (403, 429)
    assert "set-cookie" not in answer.headers


def test_the_password_is_shown_nowhere(page: Served, viewer: httpx.Client) -> None:
    assert PASSWORD not in give(viewer, PASSWORD + "!").text
    assert PASSWORD not in repr(page.settings)


def test_http_basic_opens_it_with_any_user_name(page: Served) -> None:
    for path in ("/", "/live"):
        for user in ("dashboards", "", "anybody"):
            assert httpx.get(page.url + path, auth=(user, PASSWORD)).status_code == 200
    wrong = httpx.get(page.url, auth=("anybody", PASSWORD + "!"))
    assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Basic realm="rollcall"')


@pytest.mark.parametrize("header", ["Basic", "Basic %%%", "Basic \u00e9", f"Bearer {PASSWORD}", "", "Basic OmE="])
def test_what_is_no_password_opens_nothing(page: Served, header: str) -> None:
    answer = httpx.get(page.url, headers=[(b"authorization", header.encode())])
    assert answer.status_code in (401, 429)
