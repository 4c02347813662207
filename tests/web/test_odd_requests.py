"""Requests that nobody sends in good faith: none is an error of ours, tells what is inside, or is led elsewhere."""

from collections.abc import Iterator

import httpx
import pytest

from . import company
from .serving import Served, served, settings_of

DIGITS = "9" * 5000
HOSTS = [
    "evil.example",
    "[",
    "::1]",
    "a b",
    "127.0.0.1:x",
    "127.0.0.1:99999999",
    "\u00e9",
    "x" * 5000,
    "[v1.a]",
    "[::1%lo]",
]
ORIGINS = [
    "http://[",
    "http://a]",
    "http://[::1",
    "//",
    "\u00e9",
    "http://127.0.0.1:x",
    "http://" + DIGITS,
    "http://[v1.a]",
]
PATHS = [
    "/",
    "/live",
    "/sign-in",
    "/static",
    "/static/",
    "/static/page.css",
    "/metrics",
    "/readyz",
    "/healthz",
    "/webhooks/acme",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(tmp_path_factory.mktemp("odd"), company.SITES, page={"password": "correct horse battery"})
    with served(settings) as opened:
        yield opened


@pytest.fixture
def client(page: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, timeout=60, auth=("anybody", "correct horse battery")) as opened:
        yield opened


def raw(name: str, value: str) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode())]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_no_host_and_no_origin_is_an_error_of_ours(client: httpx.Client, path: str, method: str) -> None:
    for name, values in (("host", HOSTS), ("origin", ORIGINS)):
        for value in values:
            answer = client.request(method, path, headers=raw(name, value))
            assert answer.status_code < 500, (name, value[:50], answer.text[:300])
            assert "Traceback" not in answer.text


@pytest.mark.parametrize("name", ["page", "site", "days", "sort", "show", "q", "desc", "next", "token", "active"])
def test_no_number_is_too_long(client: httpx.Client, name: str) -> None:
    for value in (
        DIGITS,
        f"-{DIGITS}",
        f"0.{DIGITS}",
        f"1e{DIGITS}",
        "\u0664" * 100,
        "\udc80".encode("utf-8", "surrogatepass"),
    ):
        for path in ("/", "/live", "/sign-in"):
            assert client.get(path, params={name: value}).status_code < 500, (name, path)


@pytest.mark.parametrize(
    "name",
    [
        "content-length",
        "content-type",
        "cookie",
        "authorization",
        "sec-fetch-site",
        "if-modified-since",
        "if-none-match",
        "range",
        "accept-encoding",
    ],
)
def test_no_header_is(client: httpx.Client, name: str) -> None:
    for value in (DIGITS, "\u00e9", "[", ';=,"', "bytes=" + DIGITS + "-", "rollcall_session=[", ""):
        for path in ("/", "/static/page.css", "/webhooks/acme", "/sign-in"):
            for method in ("GET", "POST"):
                try:
                    answer = client.request(method, path, headers=raw(name, value))
                except httpx.TransportError:
                    continue  # the server hung up, as it may
                assert answer.status_code < 500, (name, value[:50], path, method)


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_what_is_inside_is_told_to_this_machine_alone(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
    for headers in (
        {"host": "evil.example"},
        {"x-forwarded-for": "192.0.2.1"},
        {"via": "1.1 x"},
        {"origin": "http://x"},
    ):
        refused = client.get(path, headers=headers)
        assert refused.status_code == 403
        assert "rollcall_" not in refused.text


@pytest.mark.parametrize(
    "path", ["/static", "/sign-in/", "/live/", "/metrics/", "/readyz/", "/sign-out/", "/static/.."]
)
def test_nobody_is_led_to_the_host_that_was_asked_for(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"host": "evil.example"})
    assert "evil.example" not in answer.headers.get("location", ""), answer.headers
