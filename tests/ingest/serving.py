"""The real server on a real socket, in a thread of its own."""

import asyncio
import contextlib
import hashlib
import hmac
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from ingest.app import create_app
from rollcall.eventlog import EventLog
from rollcall.http.server import serve
from rollcall.runtime import Runtime, topics_of
from rollcall.settings import Settings

from ..threads import begin

SECRET = "It's a Secret to Everybody"  # Atlassian's published test secret
OLD_SECRET = "the one before"


def settings(**ingest: Any) -> Settings:
    site = {"url": "https://acme.atlassian.net", "webhook_secrets": [SECRET, OLD_SECRET]}
    lax = {"url": "https://lax.atlassian.net", "unsigned": True}
    return Settings.model_validate({"sites": {"acme": site, "lax": lax}, "ingest": ingest})


def signature(body: bytes, secret: str = SECRET, method: str = "sha256") -> str:
    return f"{method}={hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()}"


@dataclass
class Served:
    """A running server."""

    port: int
    log: EventLog
    client: httpx.Client
    stop: Callable[[], None]
    thread: threading.Thread = field(repr=False)

    def post(self, body: bytes, site: str = "acme", **headers: str) -> httpx.Response:
        """Post a signed webhook."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            f"/webhooks/{site}", content=body, headers={"x-hub-signature": signature(body), **named}
        )

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


def head(body_length: int, claimed: str, *more: str, site: str = "acme") -> bytes:
    """Return the head of a webhook request whose body is still to come."""
    lines = [f"POST /webhooks/{site} HTTP/1.1", "host: x", f"x-hub-signature: {claimed}"]
    return "\r\n".join([*lines, f"content-length: {body_length}", *more, "", ""]).encode()


def read_answer(connection: socket.socket) -> bytes:
    """Read what comes until the other side closes or is silent after a whole answer's head."""
    answer = b""
    while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
        answer += part
    return answer


@contextlib.contextmanager
def served(
    open_log: Callable[[Settings], Awaitable[EventLog]], drain_timeout: float = 15, **ingest: Any
) -> Iterator[Served]:
    """Serve while the context lasts; the log is opened and closed on the server's loop."""
    chosen = settings(**ingest)
    up = threading.Event()
    found: dict[str, Any] = {}

    async def main() -> None:
        log = await open_log(chosen)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        found.update(log=log, stop=lambda: loop.call_soon_threadsafe(stop.set))

        def ready(port: int) -> None:
            found["port"] = port
            up.set()

        app = create_app(Runtime(chosen, topics_of(chosen), log), checks={"log": log.check})
        await serve(
            app,
            "127.0.0.1:0",
            drain_timeout=drain_timeout,
            ready=ready,
            stop=stop,
            not_http=app.state.not_http,
        )
        await log.close()

    thread = begin(main, up)
    assert up.wait(30)
    with httpx.Client(base_url=f"http://127.0.0.1:{found['port']}", timeout=30) as client:
        try:
            yield Served(found["port"], found["log"], client, found["stop"], thread)
        finally:
            if thread.is_alive():
                with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
                    found["stop"]()
            thread.join(60)
            assert not thread.is_alive()
