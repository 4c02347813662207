"""What `check` says of the webhooks that a running process took and refused."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from console.checks.finding import Finding
from console.checks.installation import receiver_findings
from rollcall.settings import Settings

from ..endtoend.installation import signature
from ..web.serving import SECRET, Served, served, settings_of, site

pytestmark = pytest.mark.anyio

SITES = {"acme": site("acme"), "beta": site("beta")}


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding async for finding in receiver_findings(settings)}


def asking(page: Served, host: str = "127.0.0.1") -> Settings:
    return page.settings.model_copy(update={"listen": f"{host}:{page.port}"})


async def test_what_was_refused_and_what_to_do(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, SITES)) as page:
        well = await findings(asking(page))
        assert {name: finding.ok for name, finding in well.items()} == {
            "acme: webhooks received": True,
            "beta: webhooks received": True,
        }
        assert "none accepted since" in well["acme: webhooks received"].found
        body = b'{"webhookEvent": "board_created"}'
        async with httpx.AsyncClient(base_url=page.url) as client:
            await client.post("/webhooks/acme", content=body, headers=signature(body, SECRET))
            await client.post("/webhooks/acme", content=body, headers=signature(body, "x" * 32))
            for path in ("/webhooks/acme", "/webhooks/nobody", "/acme"):
                await client.post(path, content=body)
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as stranger:
            stranger.sendall(b"\x16\x03\x01\r\n\r\n")
            assert b" 400 " in stranger.recv(100)
        told = await findings(asking(page, host="0.0.0.0"))
    assert "the last one was accepted at 2" in told["acme: webhooks received"].found
    assert "none accepted since" in told["beta: webhooks received"].found
    for reason, found, remedy in (
        ("wrong_signature", "to acme were refused because they are signed with another secret", "differs from"),
        ("no_signature", "to acme were refused because they are not signed", "Automation"),
        ("unknown_site", "to no site of the settings were refused", "has to end in /webhooks/"),
        ("not_http", "were refused because they are no HTTP/1.1", "plain HTTP/1.1 to this port"),
        ("unknown_path", "to no site of the settings were refused", "the proxy cuts or changes the path"),
    ):
        finding = told[f"webhooks received: {reason}"]
        assert (finding.ok, found in finding.found, remedy in finding.remedy) == (False, True, True), finding


async def test_a_process_of_older_settings_is_told(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, SITES)) as page:
        settings = asking(page).model_copy(
            update={"sites": {**page.settings.sites, "new": page.settings.sites["acme"]}}
        )
        told = await findings(settings)
    assert "restart it" in told["new: webhooks received"].remedy


class _Stranger(BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stranger(answer: bytes) -> Iterator[int]:
    handler = type("Handler", (_Stranger,), {"answer": answer})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>not here</html>",
        b"",
        b"some_metric 1\n",
        b"rollcall_webhooks_total NaN\n",
        b'rollcall_webhook_last_timestamp_seconds{site="acme"} 1e300\n',
    ],
)
async def test_what_answers_there_may_be_something_else(tmp_path: Path, answer: bytes) -> None:
    with stranger(answer) as port:
        told = await findings(settings_of(tmp_path, SITES, listen=f"127.0.0.1:{port}"))
    assert told["webhooks received"].ok
    assert "cannot be asked" in told["webhooks received"].found


async def test_nobody_may_be_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = await findings(settings_of(tmp_path, SITES, listen=f"127.0.0.1:{port}"))
    assert told["webhooks received"].ok
