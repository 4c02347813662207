"""Serve an ASGI application over HTTP with bounded connections, and stop without losing a request.

A connection is bounded before anything else can judge it: by the size of a request's head, and by how long that may
take to arrive; and where that is wanted, by how many there are.
"""

import asyncio
import math
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rollcall.errors import RollcallError
from rollcall.http.guard import listen
from rollcall.logs import RationedLog, logger

_log = RationedLog(logger(__name__))

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


class Peer:
    """Who is at the other end of a connection, as the kernel sees it: an event loop learns of an end one pass later.

    Where the kernel does not tell (elsewhere than on Linux), everybody is there and has just asked.

    Args:
        connection: The socket of the connection, which somebody else closes; None where it is not known.
    """

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._connection = connection

    def has_left(self) -> bool:
        """Return whether it has closed its side, or both are closed."""
        info = self._info()
        return info is not None and info[:1] != _ESTABLISHED

    def waited(self) -> float:
        """Return for how many seconds it has sent nothing: the age of its request, once that is there."""
        info = self._info()
        return int.from_bytes(info[_LAST_DATA], sys.byteorder) / 1000 if info else 0.0

    def _info(self) -> bytes | None:
        if self._connection is None or sys.platform != "linux":
            return None
        try:
            return self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA.stop)
        except OSError:  # it is closed
            return bytes(_LAST_DATA.stop)


_ESTABLISHED = b"\x01"
_LAST_DATA = slice(52, 56)
"""Where ``tcpi_last_data_recv``, milliseconds, is in Linux's ``struct tcp_info``; ``tcpi_state`` is its first byte."""

_PEER = "rollcall.peer"


def peer_of(scope: Scope) -> Peer:
    """Return who sent a request, of whom nothing is known where `serve` did not take the connection with a bound."""
    peer: Peer = scope.get("extensions", {}).get(_PEER, {}).get("peer") or Peer()
    return peer


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which by itself takes heads of any size and waits for them without end.

    Args:
        not_http: Called for what is no HTTP request, which no application hears of.

    Attributes:
        peer: Whom a bound on connections looks at; None without one.
        lost: Called at its end.
        last_heard: When bytes came last, in seconds of the event loop.
    """

    def __init__(self, *args: Any, not_http: Callable[[], None] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._not_http = not_http
        self._in_head = True
        self._head_size = 0
        self._deadline: asyncio.TimerHandle | None = None
        self.peer: Peer | None = None
        self.lost: Callable[[], object] = lambda: None
        self.last_heard = self.loop.time()

    def idle_since(self, moment: float) -> bool:
        """Return whether no request is under way, and nothing has come since that moment."""
        return (self.cycle is None or self.cycle.response_complete) and self.last_heard < moment

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a connection that sends nothing is no better than a slow one."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        self.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head, and close the connection beyond the limit."""
        begun = self._in_head
        self.last_heard = self.loop.time()
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
        if self.peer:
            self.scope["extensions"] = {_PEER: {"peer": self.peer}}
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


_BACKLOG = 2048
"""Connections that the kernel keeps for us, and most that are taken in one pass of the event loop."""

_IDLE_SECONDS = 1.0
"""For so long nothing came on a connection that may be closed for another one."""

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Acceptor:
    """Takes connections: all that wait, where uvloop's own server takes one in each pass of the event loop.

    One whose client has left already is closed: a server that is behind would work for those alone who wait no more.
    At the bound others whose clients have left make room, else the one on which nothing came for the longest and no
    request is under way; where there is none, the new one is answered 503.

    Args:
        listener: Where they come.
        most: How many may be open.
        server: Whose they are.
    """

    def __init__(self, listener: socket.socket, most: int, server: uvicorn.Server) -> None:
        self._listener = listener
        self._most = most
        self._config, self._state, self._app_state = server.config, server.server_state, server.lifespan.state
        self._loop = asyncio.get_running_loop()
        self._open: dict[Peer, BoundedHeadProtocol | None] = {}
        self._taking: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._loop.add_reader(listener, self._accept)

    async def close(self) -> None:
        """Take no more, and hand over what was taken."""
        self._closed = True
        self._loop.remove_reader(self._listener)
        await asyncio.gather(*self._taking)

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is free: trying again at once would only burn CPU
                _log.warning("connections cannot be taken", {"cause": os.strerror(error.errno or 0)})
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_IDLE_SECONDS, self._resume)
                return
            connection.setblocking(False)
            peer = Peer(connection)
            if peer.has_left():
                connection.close()
            elif len(self._open) >= self._most and not self._made_room():
                _refuse(connection)
            else:
                self._open[peer] = None
                task = self._loop.create_task(self._take(connection, peer))
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _made_room(self) -> bool:
        surplus = [peer for peer in self._open if peer.has_left()]
        if not surplus:
            long_ago = self._loop.time() - _IDLE_SECONDS
            idle = {peer: one.last_heard for peer, one in self._open.items() if one and one.idle_since(long_ago)}
            surplus = [min(idle, key=idle.__getitem__)] if idle else []
        for peer in surplus:
            if one := self._open.pop(peer):
                one.transport.abort()
        return bool(surplus)

    async def _take(self, connection: socket.socket, peer: Peer) -> None:
        def protocol() -> BoundedHeadProtocol:
            made: BoundedHeadProtocol = self._config.http_protocol_class(  # type: ignore[call-arg,assignment]  # as uvicorn does
                config=self._config, server_state=self._state, app_state=self._app_state, _loop=self._loop
            )
            made.peer, made.lost = peer, lambda: self._open.pop(peer, None)
            return made

        try:
            _, made = await self._loop.connect_accepted_socket(protocol, connection)
        except OSError:  # its client has left meanwhile
            connection.close()
            self._open.pop(peer, None)
        else:
            if peer in self._open:
                self._open[peer] = made


def _refuse(connection: socket.socket) -> None:
    _log.warning("a connection was refused: too many are open", {})
    with suppress(OSError), connection:
        with suppress(BlockingIOError):
            connection.recv(HEAD_LIMIT)  # what is not read would be a reset to the client, instead of the answer
        connection.send(_BUSY)
        connection.shutdown(socket.SHUT_WR)


class _Server(uvicorn.Server):
    """uvicorn, changed in four ways.

    Connections: where they are bounded, they are taken here instead of by uvicorn.

    Signals: uvicorn catches SIGTERM and SIGINT, drains, and then raises them again, which ends the process before
    the caller has closed the log. Here they only request the stop, and the caller decides on the exit status.

    Start: uvicorn calls `sys.exit` when it cannot start. Here it is an error like any other.

    Second SIGINT: uvicorn then leaves requests and lifespan to whoever cancels them, and logs that as an error. Here it
    ends the wait for the requests, as the drain's end does, and the application still closes what it holds.
    """

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], bound: tuple[socket.socket, int] | None = None
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._bound = bound
        self._acceptor: _Acceptor | None = None

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
            await super().startup([] if self._bound else sockets)
        except SystemExit:
            raise RollcallError("the web application could not start; the log lines above say why") from None
        if self._bound:
            self._acceptor = _Acceptor(*self._bound, self)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor:
            await self._acceptor.close()
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
    connections: int | None = None,
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
        connections: How many may be open at once; None for any number. With a bound, connections are taken as fast as
            they come, and those left to wait until their clients gave up are closed unread.

    Raises:
        SettingsError: The address cannot be listened on.
        RollcallError: The application's lifespan failed to start.
    """
    listener = listen(address, setting)
    port: int = listener.getsockname()[1]
    bound = None if connections is None else (listener, connections)
    server = _Server(_config(app, drain_timeout, not_http), lambda: ready(port) if ready else None, bound)
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
