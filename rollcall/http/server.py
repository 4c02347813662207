"""Serve an ASGI application over HTTP with bounded connections, and stop without losing a request.

A connection is bounded before anything else can judge it: by the size of a request's head, and by how long that may
take to arrive.
"""

import asyncio
import math
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rollcall.errors import RollcallError
from rollcall.http.guard import listen

HEAD_LIMIT = 64 * 1024
"""Most bytes of request line and headers; Jira's webhooks have below 2 KiB (captures), browsers a few."""

HEAD_SECONDS = 20.0
"""How long they may take to arrive."""


_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*", re.IGNORECASE)


def _without_upgrade(data: bytes) -> bytes:
    """Take the wish for another protocol out of a head, which a server may do (RFC 9110, 7.8).

    Java's HTTP client wishes for h2c on every new connection, and httptools then passes over the body.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + body


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which by itself takes heads of any size and waits for them without end.

    Args:
        not_http: Called for what is no HTTP request, which no application hears of.
    """

    def __init__(self, *args: Any, not_http: Callable[[], None] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._not_http = not_http
        self._in_head = True
        self._head_size = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a connection that sends nothing is no better than a slow one."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head, and close the connection beyond the limit."""
        begun = self._in_head
        super().data_received(_without_upgrade(data) if begun else data)
        if not self._in_head:
            return
        self._arm()
        if begun:  # else most of the data may be the end of the request before
            self._head_size += len(data)
        if self._head_size > HEAD_LIMIT:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request."""
        super().send_400_response(msg)
        if self._not_http:
            self._not_http()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        """End a head; with two hosts it is none (RFC 9112, 3.2), as a proxy might have judged by the other one."""
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise ValueError("more than one Host")  # the parser takes it for a syntax error, which is answered 400
        super().on_headers_complete()
        self._in_head = False
        self._disarm()

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.transport.close()


_LAST_WORDS = 1.0
"""Seconds for requests cancelled at the end of the drain to send their answer."""

_KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than a proxy before us commonly keeps it (60), so that the proxy,
which knows whether it is sending, is the one to close it."""


class _Server(uvicorn.Server):
    """uvicorn, changed in three ways.

    Signals: uvicorn catches SIGTERM and SIGINT, drains, and then raises them again, which ends the process before
    the caller has closed the log. Here they only request the stop, and the caller decides on the exit status.

    Start: uvicorn calls `sys.exit` when it cannot start. Here it is an error like any other.

    Second SIGINT: uvicorn then leaves requests and lifespan to whoever cancels them, and logs that as an error. Here it
    ends the wait for the requests, as the drain's end does, and the application still closes what it holds.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise RollcallError("the web application could not start; the log lines above say why") from None
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:
            for task in list(self.server_state.tasks):
                task.cancel()
            await self.lifespan.shutdown()


async def serve(
    app: ASGIApp,
    address: str,
    *,
    drain_timeout: float,
    setting: str = "listen",
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    not_http: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then let the requests in flight finish, and return.

    At a stop no new connection is taken, idle ones are closed, and requests in flight get ``drain_timeout`` to
    finish; those that do not are cancelled, and have a second to say so (a webhook is then answered 503, and Jira sends
    it again). A second SIGINT ends the wait. Signals are only caught on the main thread; elsewhere use ``stop``.
    Cancelling this drains as well.

    Args:
        app: The application.
        address: ``host:port`` to listen on; port 0 takes a free one.
        drain_timeout: Seconds for the requests in flight, rounded up to whole ones.
        setting: Name of the setting that holds the address, for the error.
        ready: Called with the port once connections are taken.
        stop: Ends the serving when set.
        not_http: Called for whatever comes that is no HTTP request, and is answered 400.

    Raises:
        SettingsError: The address cannot be listened on.
        RollcallError: The application's lifespan failed to start.
    """
    listener = listen(address, setting)
    port: int = listener.getsockname()[1]
    server = _Server(_config(app, drain_timeout, not_http), lambda: ready(port) if ready else None)
    watcher = asyncio.create_task(_stop_when(stop, server)) if stop else None
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        if server.started:
            await server.shutdown(sockets=[listener])
        raise
    finally:
        if watcher:
            watcher.cancel()
        listener.close()
        if server.server_state.tasks:
            await asyncio.wait(server.server_state.tasks, timeout=_LAST_WORDS)


def _config(app: ASGIApp, drain_timeout: float, not_http: Callable[[], None] | None) -> uvicorn.Config:
    protocol: Any = partial(BoundedHeadProtocol, not_http=not_http)  # uvicorn calls it, and asks for a class
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(drain_timeout),
    )


async def _stop_when(stop: asyncio.Event, server: _Server) -> None:
    await stop.wait()
    server.should_exit = True
