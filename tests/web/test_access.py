"""Who is shown the page, and who reads what to do instead; webhooks are taken either way."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import HTTPConnection

from console.web.access import Decision, Policy
from rollcall.settings import Settings

from ..endtoend.installation import signature
from . import company
from .serving import SECRET, Served, served, settings_of

PASSWORD = "correct horse battery"


def decision(
    headers: dict[str, str],
    listen: str = "127.0.0.1:8080",
    password: str = "",
    unprotected: bool = False,
    http_version: str = "1.1",
) -> Decision:
    settings = Settings.model_validate({"listen": listen, "page": {"password": password, "unprotected": unprotected}})
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "http_version": http_version}
    return Policy(settings, settings.listen).judge(HTTPConnection(scope))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "localhost", "[::1]:8080", "127.0.0.2", "LOCALHOST"]
)
def test_this_machine_signs_in_unless_the_settings_open_it(host: str) -> None:
    assert decision({"host": host}) is Decision.SIGN_IN
    assert decision({"host": host}, unprotected=True) is Decision.SHOW


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "", ":8080", "[",
        "127.0.0.1@evil.example", "evil.example@127.0.0.1", "2130706433", "0.0.0.0:8080", "192.168.1.5:8080",
        "127.0.0.1:8080/x", "127.0.0.1:x@[", "local\thost",
    ],
)  # fmt: skip
def test_another_name_is_refused_for_it_may_be_rebound(host: str) -> None:
    for unprotected in (False, True):
        assert decision({"host": host}, unprotected=unprotected) is Decision.FOREIGN_HOST
        assert decision({}, unprotected=unprotected) is Decision.FOREIGN_HOST


@pytest.mark.parametrize(
    "name",
    ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-proto", "X-Forwarded-Prefix", "X-Forwarded-Port",
     "cf-connecting-ip", "X-FORWARDED-HOST", "X_Forwarded_For", "x-forwarded", "Forwarded-For", "X-Original-URL",
     "CDN-Loop", "X-Envoy-External-Address", "Tailscale-User-Login", "Fastly-Client-IP", "x-cluster-client-ip",
     "X-Amzn-Trace-Id", "X-Scheme", "Proxy-Connection"],
)  # fmt: skip
def test_what_a_proxy_passes_on_is_not_from_this_machine(name: str) -> None:
    for unprotected in (False, True):
        assert decision({"host": "127.0.0.1:8080", name: "127.0.0.1"}, unprotected=unprotected) is Decision.FORWARDED
        assert decision({"host": "rollcall.example", name: "127.0.0.1"}, unprotected=unprotected) is Decision.FORWARDED


@pytest.mark.parametrize(
    "name", ["x-clickhouse-user", "x-prometheus-scrape-timeout-seconds", "referer", "cookie", "priority"]
)
def test_what_clients_send_by_themselves_is_no_proxys(name: str) -> None:
    assert decision({"host": "127.0.0.1:8080", name: "1"}, unprotected=True) is Decision.SHOW


def test_http_1_0_counts_as_passed_on() -> None:
    assert decision({"host": "127.0.0.1:8080"}, unprotected=True, http_version="1.0") is Decision.FORWARDED
    assert decision({"host": "127.0.0.1:8080"}, http_version="1.0") is Decision.FORWARDED


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://wiki.example"}])
def test_pages_of_others_may_link_to_this_one(headers: dict[str, str]) -> None:
    assert decision({"host": "127.0.0.1:8080", **headers}, unprotected=True) is Decision.SHOW


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:8080", "rollcall.example:8080"])
def test_an_address_that_others_reach_demands_a_password(listen: str) -> None:
    assert decision({"host": "127.0.0.1:8080"}, listen) is Decision.NO_PASSWORD
    assert decision({"host": "127.0.0.1:8080"}, listen, unprotected=True) is Decision.NO_PASSWORD
    assert decision({"host": "127.0.0.1:8080"}, listen, PASSWORD) is Decision.SIGN_IN


def test_with_a_password_everybody_signs_in() -> None:
    for headers in ({"host": "127.0.0.1:8080"}, {"host": "rollcall.example", "x-forwarded-for": "10.1.1.1"}):
        assert decision(headers, password=PASSWORD) is Decision.SIGN_IN


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(tmp_path_factory.mktemp("open"), company.SITES, listen="0.0.0.0:8080")
    with served(settings) as page:
        yield page


@pytest.mark.parametrize("path", ["/", "/live", "/?site=acme", "/sign-in"])
def test_without_the_password_it_tells_which_setting_to_set(open_to_all: Served, path: str) -> None:
    answer = httpx.get(open_to_all.url + path)
    assert answer.status_code == 403
    assert "password_file = " in answer.text
    assert "ROLLCALL_PAGE__PASSWORD" in answer.text
    assert "acme" not in answer.text


def test_webhooks_and_health_go_on_without_the_page(open_to_all: Served) -> None:
    body = b'{"webhookEvent": "comment_created"}'
    answer = httpx.post(f"{open_to_all.url}/webhooks/acme", content=body, headers=signature(body, SECRET))
    assert answer.status_code == 204
    assert httpx.get(f"{open_to_all.url}/healthz").status_code == 200
    assert httpx.get(f"{open_to_all.url}/static/page.css").status_code == 200
