"""Why Jira gave no answer, or another than was asked for, in words that name cause and remedy; told in seconds."""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from reconcile.client.endpoints import MYSELF, SEARCH
from reconcile.client.jira_client import connected
from reconcile.client.jira_errors import JiraError, JiraRefusedError, JiraUnavailableError, jira_message
from rollcall.errors import SettingsError
from rollcall.settings import ReconcileSettings, SiteSettings
from simulator.rest.site import SCOPED_TOKEN

from ..kafka.broker.certificates import make_certificates
from ..ports import free_port
from ..reconcile.backfilling import jira as asking
from ..reconcile.commandline import process, start, write_config
from ..reconcile.misbehaving import answer, misbehaving
from ..reconcile.scripted import ACME, TOKEN, Script, page, scripted
from ..reconcile.site import config, hurried, jira_site, settings_for

pytestmark = pytest.mark.anyio

SMALL = config(people=4, acts_per_day=0.3, days=8, hard_cases=False)


async def why(url: str, seconds: float = 90.0) -> str:
    """What the client says of an address that gives no answer."""
    site = ACME.model_copy(update={"url": url})
    with pytest.raises(JiraUnavailableError) as caught:
        async with connected("acme", site, ReconcileSettings(timeout=seconds), hurried(attempts=2)) as jira:
            await jira.ask(MYSELF)
    assert "--resume" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return str(caught.value)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port whose connections are talked to once a request has come; closed with them."""
    writers: set[asyncio.StreamWriter] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        writers.discard(writer)

    async with await asyncio.start_server(one, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()
        async with asyncio.timeout(30):
            while writers:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None, words: bytes = b"") -> AsyncIterator[int]:
    """A port that takes connections, says a few words if any, and answers nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        if not words:
            await reader.read()

    async with listening(talk, context) as port:
        yield port


async def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = await why("https://acmee.atlassian.net")
    assert "unknown host: acmee.atlassian.net cannot be looked up; check the site's url and this machine's DNS" in said


async def test_a_refused_port() -> None:
    port = free_port()
    said = await why(f"http://127.0.0.1:{port}")
    assert f"127.0.0.1 refuses connections on port {port}; check the site's url" in said


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificates(tmp_path).broker)
    async with serving(context) as port:
        said = await why(f"https://127.0.0.1:{port}")
    assert re.search(r"the certificate of 127\.0\.0\.1 is not trusted: \w.*SSL_CERT_FILE", said)


async def test_a_port_without_tls() -> None:
    async with serving(words=b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = await why(f"https://127.0.0.1:{port}", seconds=2)
    assert "127.0.0.1" in said
    assert "speaks no TLS" in said or "timeout" in said


async def test_no_answer_in_time() -> None:
    async with serving() as port:
        said = await why(f"http://127.0.0.1:{port}", seconds=0.2)
    assert "timeout: 127.0.0.1 did not answer in time" in said


async def test_a_connection_that_is_cut() -> None:
    async with misbehaving(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{") as server:
        said = await why(server.url)
    assert "the connection to 127.0.0.1 was cut" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"HTTP/1.1 407 Authenticate\r\n\r\n", "wants a user and a password; write them into HTTPS_PROXY"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "lets nothing through, it answers 403; check HTTPS_PROXY"),
    ],
)
async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, words: bytes, told: str) -> None:
    async with serving(words=words) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush@127.0.0.1:{port}")
        said = await why("https://acme.atlassian.net")
    assert f"the proxy 127.0.0.1 {told}" in said
    assert "hush" not in said


async def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush@127.0.0.1:{port}")
    said = await why("https://acme.atlassian.net")
    assert f"the proxy 127.0.0.1 refuses connections on port {port}; check HTTPS_PROXY" in said
    assert "hush" not in said


async def test_all_of_these_read_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    refused = await why(f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    assert refused.replace("127.0.0.1", "") != (await why("https://acme.atlassian.net")).replace("127.0.0.1", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_says_where_to_and_is_never_followed(status: int) -> None:
    where = f"https://new.atlassian.net:8443/login?token={TOKEN}&user=anna"
    script = Script([httpx.Response(status, headers={"location": where})])
    async with scripted(script) as jira:
        with pytest.raises(JiraRefusedError, match=r"never followed \(it leads to new\.atlassian\.net\)") as caught:
            await jira.ask(MYSELF)
    assert len(script.asked) == 1
    assert not re.search(r"login|anna|8443|secret", str(caught.value))
    assert ("put it into its url" in str(caught.value)) == (status in (301, 308))


@pytest.mark.parametrize("where", ["", "/login", "https://[::bad", "https://a b/", "//", "mailto:x", "//:99999999/"])
async def test_a_redirect_to_nowhere(where: str) -> None:
    async with scripted(Script([httpx.Response(302, headers={"location": where})])) as jira:
        with pytest.raises(JiraRefusedError, match="a redirect, which is never followed; check the site's url"):
            await jira.ask(MYSELF)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"errorMessage": "No project"}, "No project"),
        ({"errorMessages": ["A", "B"], "errors": {"jql": "The field is gone"}}, "A B jql: The field is gone"),
        ({"errors": {"expand": {"deep": 1}}}, "expand"),
        ({"errors": [{"message": "m1"}, "m2", 3, {"detail": "m3"}]}, "m1 m2 m3"),
        ({"message": "Unauthorized; scope does not match", "code": 401}, "Unauthorized; scope does not match"),
        ({"error": "invalid_token", "error_description": "It is old"}, "invalid_token It is old"),
        ({"errorMessages": 3, "message": "still told"}, "still told"),
        ({"errorMessages": [], "errors": {}}, ""),
        ([1], ""),
    ],
)
async def test_all_forms_of_jiras_words_are_quoted(body: object, words: str) -> None:
    async with scripted(Script([page(body, 400)])) as jira:
        with pytest.raises(JiraRefusedError) as caught:
            await jira.ask(SEARCH)
    assert f"Jira answers 400{': ' + words if words else ''}; Rollcall asked" in str(caught.value)


async def test_jiras_words_are_told_of_what_was_tried_in_vain_too() -> None:
    async with scripted(Script([page({"errorMessages": ["The index is being rebuilt"]}, 503)])) as jira:
        with pytest.raises(JiraUnavailableError, match="503, 6 times over; it says: The index is being rebuilt"):
            await jira.ask(SEARCH)


def test_a_token_is_left_out_before_words_are_cut() -> None:
    said = jira_message(b'{"message": "' + b"x" * 290 + TOKEN.encode() + b'"}', TOKEN)
    assert TOKEN[:6] not in said


async def test_a_suspended_site() -> None:
    async with scripted(Script([httpx.Response(503, text="<html>")])) as jira:
        with pytest.raises(JiraUnavailableError, match="open the site in a browser: it may be suspended"):
            await jira.ask(MYSELF)


@pytest.mark.parametrize("path", ["/jira", "/browse/ACME-1", "/rest/api/3", "/ex/jira", "/ex/jira/../x", "/wiki/"])
def test_an_address_with_a_path_is_refused_at_the_settings(path: str) -> None:
    with pytest.raises(ValidationError, match=r"must not have a path: write https://HOST alone"):
        SiteSettings(url=f"https://acme.atlassian.net{path}", unsigned=True)


def test_the_gateways_address_is_none_of_these() -> None:
    url = "https://api.atlassian.com/ex/jira/11111111-2222-3333-4444-555555555555"
    assert SiteSettings(url=url + "/", unsigned=True).url == url
    assert SiteSettings(url="https://acme.atlassian.net/", unsigned=True).url == "https://acme.atlassian.net"


@pytest.mark.parametrize("url", ["http://api.atlassian.com", "http://10.0.0.1:80", "ftp://x", "https://u:p@x", ""])
def test_a_gateway_in_clear_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ReconcileSettings(gateway_url=url)
    assert ReconcileSettings(gateway_url="http://127.0.0.1:8080/").gateway_url == "http://127.0.0.1:8080"


async def test_a_token_of_a_service_account_goes_to_the_gateway_as_bearer(tmp_path: Path) -> None:
    async with jira_site(SMALL) as jira:
        settings = settings_for(jira.url, tmp_path, reconcile={"gateway_url": jira.url})
        changed = {"scoped_token": True, "api_token": SCOPED_TOKEN, "api_token_type": "bearer", "email": ""}
        acme = SiteSettings.model_validate({**settings.sites["acme"].model_dump(), **changed})
        assert acme.names_token
        async with asking(settings.model_copy(update={"sites": {"acme": acme}})) as client:
            await client.ask(MYSELF)


async def test_bearer_is_all_that_is_sent() -> None:
    site = ACME.model_copy(update={"api_token_type": "bearer"})
    script = Script([page({})])
    async with scripted(script, site) as jira:
        await jira.ask(MYSELF)
    assert script.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("token", ["two words", "new\nline", "snow\u2603"])
async def test_a_token_that_no_header_holds_is_wrong_settings(token: str) -> None:
    given = {**ACME.model_dump(), "api_token": token, "api_token_type": "bearer"}
    with pytest.raises(SettingsError, match=r"sites\.acme: the API token has blanks") as caught:
        async with scripted(Script([]), SiteSettings.model_validate(given)):
            raise AssertionError("not reached")
    assert token not in str(caught.value)


def patient(url: str, folder: Path) -> Path:
    """Settings with Rollcall's own patience."""
    return write_config(url, folder, listen=free_port(), sql_listen=free_port())


async def test_check_says_in_seconds_why_there_is_no_answer(tmp_path: Path) -> None:
    port = free_port()
    path = patient(f"http://127.0.0.1:{port}", tmp_path)
    local = await process(path, "check", "--local")
    began = time.monotonic()
    done = await process(path, "check")
    assert time.monotonic() - began < 25  # with an interpreter's start on a busy machine; it was 132
    said = " ".join(done.out.split())
    assert (local.code, done.code) == (1, 1)
    assert f"refuses connections on port {port}" in said
    assert "--resume" not in said + done.err


async def test_check_waits_no_quota_out(tmp_path: Path) -> None:
    quota = answer(b"{}", "retry-after: 1847", "ratelimit-reason: jira-quota-global-based", status="429 Too Many")
    async with misbehaving(quota) as server:
        done = await process(patient(server.url, tmp_path), "check", "--format", "json")
    assert "asks to wait 31 minutes, longer than a check waits" in done.rows[-1]["found"]


async def test_checks_rows_come_as_they_are_found(tmp_path: Path) -> None:
    """Also into a pipe: what needs no Jira is there while Jira keeps silent."""
    async with serving() as port:
        check = await start(patient(f"http://127.0.0.1:{port}", tmp_path), "check")
        assert check.stdout
        came = b""
        async with asyncio.timeout(60):
            while b"warehouse" not in came:
                came += await check.stdout.read(4096)
        assert check.returncode is None
        assert b"acme: Jira" not in came
        check.kill()
        await check.communicate()


async def test_json_is_one_array_all_the_same(tmp_path: Path) -> None:
    done = await process(patient(f"http://127.0.0.1:{free_port()}", tmp_path), "check", "--format", "json")
    assert {"subject", "ok", "found", "remedy"} == set(done.rows[0])
    table = await process(patient(f"http://127.0.0.1:{free_port()}", tmp_path), "check", "--format", "csv")
    assert table.out.splitlines()[0] == "subject,ok,found,remedy"
    assert len(table.out.splitlines()) == len(done.rows) + 1


async def test_one_check_that_fails_costs_only_itself(tmp_path: Path) -> None:
    async with jira_site(SMALL, forced={"GET /rest/api/3/mypermissions": [403] * 9}) as jira:
        done = await process(patient(jira.url, tmp_path), "check", "--format", "json")
    found = {row["subject"]: row for row in done.rows}
    assert "cannot be looked at: GET /mypermissions: Jira answers 403" in found["acme: permissions"]["found"]
    assert found["acme: projects"]["ok"]
    assert "acme: identity of changes" in found


async def test_every_error_is_one_line() -> None:
    for step in (httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.ProxyError("x"), OSError("a\nb")):
        async with scripted(Script([step]), attempts=1) as jira:
            with pytest.raises(JiraError) as caught:
                await jira.ask(MYSELF)
        assert "\n" not in str(caught.value)


async def test_an_answer_that_drips_for_ever_is_a_failed_try() -> None:
    """Each piece comes in time, the whole never."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with listening(drip) as port:
        began = time.monotonic()
        said = await why(f"http://127.0.0.1:{port}", seconds=0.3)
    assert "timeout: 127.0.0.1 did not answer in time (TimeoutError), 2 times over" in said
    assert time.monotonic() - began < 30
