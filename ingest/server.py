"""Serve the application over HTTP, and stop without losing a webhook."""

import asyncio
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from ingest.connection import BoundedHeadProtocol
from rollcall.errors import RollcallError, SettingsError
from rollcall.settings import split_address

_LAST_WORDS = 1.0
"""Seconds for requests cancelled at the end of the drain to send their answer."""

_KEEP_ALIVE = 75
"""Seconds an idle connection stays open: longer than a proxy before us commonly keeps it (60), so that the proxy,
which knows whether it is sending, is the one to close it."""


class _Server(uvicorn.Server):
    """uvicorn, with three of its habits changed.

    Signals: uvicorn catches SIGTERM and SIGINT, drains, and then raises them again, which ends the process before
    the caller has closed the log. Here they only ask for the stop, and the caller decides on the exit status.

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
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then let the requests in flight finish, and return.

    At a stop no new connection is taken, idle ones are closed, and requests in flight get ``drain_timeout`` to
    finish; those that do not are cancelled (webhooks are then answered 503, and Jira sends them again). A second
    SIGINT ends the wait. Signals are only caught on the main thread; elsewhere use ``stop``. Cancelling this
    drains as well.

    Args:
        app: The application.
        address: ``host:port`` to listen on; port 0 takes a free one.
        drain_timeout: Seconds for the requests in flight, rounded up to whole ones.
        setting: Name of the setting that holds the address, for the error.
        ready: Called with the port once connections are taken.
        stop: Ends the serving when set.

    Raises:
        SettingsError: The address cannot be listened on.
        RollcallError: The application's lifespan failed to start.
    """
    listener = listen(address, setting)
    port: int = listener.getsockname()[1]
    server = _Server(_config(app, drain_timeout), lambda: ready(port) if ready else None)
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


def listen(address: str, setting: str) -> socket.socket:
    """Return a socket that listens on ``host:port``. Raises SettingsError, naming the setting, where it cannot."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot listen on {address} ({os.strerror(error.errno or 0)}); "
            "choose another address, or stop what uses this one"
        ) from None
    # Connections inherit it: else an answer in two pieces waits for the other side's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _config(app: ASGIApp, drain_timeout: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHeadProtocol,
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
