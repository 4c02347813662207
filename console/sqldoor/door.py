"""The SQL door as an ASGI application: who may query, how many at once, and one query a request."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from console.sqldoor.answer import Answer, CutShortError, send_head
from console.sqldoor.audit import Audit, kind_of, refusals
from console.sqldoor.check import DISPLAY_NAME
from console.sqldoor.door_token import GuardedDoor, Tokens
from console.sqldoor.engine import Engine, QueryRun
from console.sqldoor.exceptions import (
    QUERY_WAS_CANCELLED,
    SYNTAX_ERROR,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    DoorError,
    door_error,
)
from console.sqldoor.overdue import OverdueQueries
from console.sqldoor.profile import DoorLimits
from console.sqldoor.request import QueryRequest, read_body, read_request, url_parameters
from rollcall.errors import SettingsError
from rollcall.http.guard import Guard, is_loopback
from rollcall.http.server import Peer, peer_of
from rollcall.logs import logger
from rollcall.warehouse.engines import Embedded

log = logger(__name__)


_BEGINNING = 1000
"""Bytes of a body in which the kind of a statement is looked for."""

_NOTICED_SECONDS = 1.0
"""After so long the event loop knows of a client that has left, as the kernel did."""

_audit: ContextVar[Audit | None] = ContextVar("_audit", default=None)
"""What will be written of the query, in the tasks of one request; None where nothing is."""


class Slots:
    """A bounded number of slots for queries, with a bounded queue before them; used from one event loop."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._semaphore = asyncio.Semaphore(limits.concurrent)
        self._waiting: set[Peer] = set()

    async def acquire(self, peer: Peer) -> None:
        """Wait for a slot; `release` gives it back.

        Args:
            peer: Who waits. What it has waited before this process took its request counts as well.

        Raises:
            DoorError: Too many wait already, or no slot was free in time.
        """
        if self._semaphore.locked() and len(self._waiting) >= self._limits.waiting and self._all_wait():
            raise door_error(TOO_MANY_SIMULTANEOUS_QUERIES, "Too many simultaneous queries, and too many that wait")
        self._waiting.add(peer)
        try:
            async with asyncio.timeout(self._limits.wait_seconds - peer.waited()):
                await self._semaphore.acquire()
        except TimeoutError:
            raise door_error(
                TOO_MANY_SIMULTANEOUS_QUERIES, f"Too many simultaneous queries. Maximum: {self._limits.concurrent}"
            ) from None
        finally:
            self._waiting.discard(peer)

    def _all_wait(self) -> bool:
        """Return whether there is no place: those who have left already, and are about to be noticed, leave theirs."""
        return sum(not peer.has_left() for peer in self._waiting) >= self._limits.waiting

    def release(self) -> None:
        """Give back a slot."""
        self._semaphore.release()


class QueryEndpoint:
    """Answers queries, as an ASGI application.

    Args:
        engine: Runs them; opened before the first request.
        limits: What they may take.
        tokens: One of which a client must bring; None lets everybody pass.
        overdue: Takes note of those that run past their deadline.
        audit: Whether each is a line of the log.
    """

    def __init__(
        self, engine: Engine, limits: DoorLimits, tokens: Tokens | None, overdue: OverdueQueries, *, audit: bool
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._tokens = tokens
        self._audit = audit
        self._overdue = overdue
        self._slots = Slots(limits)
        self._refusals = refusals()
        self._stopping: set[asyncio.Task[None]] = set()
        self._killed: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors are answered as ClickHouse does."""
        headers, url = Headers(scope=scope), url_parameters(scope["query_string"])
        peer = peer_of(scope)
        if peer.has_left():
            with suppress(TimeoutError):
                async with asyncio.timeout(_NOTICED_SECONDS):
                    await _left(receive)
            return
        try:
            if scope["method"] not in ("GET", "POST"):
                await _send_text(send, HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or POST\n", {"allow": "GET, POST"})
                return
            if scope["method"] == "GET" and "query" not in url and not headers.get("content-length", "0").strip("0"):
                await _send_text(send, HTTPStatus.OK, "Ok.\n", {})
                return
            audit = Audit(headers, url, scope.get("client")) if self._audit else None
            self._require_token(headers, url, scope.get("client"), audit)
            if audit:
                with _audited(audit):
                    await self._take(url, headers, peer, receive, send)
            else:
                await self._take(url, headers, peer, receive, send)
        except DoorError as error:
            await self._send_error(send, error)
        except CutShortError:
            # Returning without the answer's end makes the server close the connection: the client must notice.
            log.warning("an answer was cut short")

    async def close(self, seconds: float = 5.0) -> None:
        """Wait a while for the queries that are being stopped."""
        if not self._stopping:
            return
        _, stuck = await asyncio.wait(self._stopping, timeout=seconds)
        for task in stuck:
            log.warning("a query does not stop; leaving it behind")
            task.cancel()

    def _require_token(
        self, headers: Headers, url: Mapping[str, str], client: tuple[str, int] | None, audit: Audit | None
    ) -> None:
        if not self._tokens:
            return
        try:
            self._tokens.require(headers, url, client[0] if client else "")
        except DoorError as error:
            if audit:
                audit.kind = kind_of(url.get("query", ""))  # the body stays unread
                audit.failed(error)
                audit.write(self._refusals)
            raise

    async def _take(self, url: Mapping[str, str], headers: Headers, peer: Peer, receive: Receive, send: Send) -> None:
        """Read a request and answer it. Raises DoorError, CutShortError."""
        body = await read_body(receive)
        audit = _audit.get()
        if audit:  # for a request that cannot be read
            audit.kind = kind_of(url.get("query") or body[:_BEGINNING].decode(errors="replace"))
        request = read_request(url, headers, body, self._limits)
        if audit:
            audit.kind = kind_of(request.query)
        if not request.query.strip():
            raise door_error(SYNTAX_ERROR, "Empty query")
        if request.kills:
            for killed in self._killed.get(request.kills, ()):
                killed.set()
            await _send_text(send, HTTPStatus.OK, "", {})
            return
        await self._unless_stopped(request, peer, receive, send)

    async def _unless_stopped(self, request: QueryRequest, peer: Peer, receive: Receive, send: Send) -> None:
        """Answer, or stop the query when its client goes away or has it killed."""
        begun = False

        async def begin(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        with self._killable(request) as killed:
            answering = asyncio.create_task(self._answer(request, peer, begin))
            stops = {asyncio.create_task(_left(receive)), asyncio.create_task(killed.wait())}
            try:
                await asyncio.wait({answering, *stops}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:  # the door closes, and the server waits no longer
                killed.set()
            finally:
                for stop in stops:
                    stop.cancel()
                answering.cancel()
                with suppress(asyncio.CancelledError):
                    await answering
        if killed.is_set() and answering.cancelled():
            if begun:
                raise CutShortError
            raise door_error(QUERY_WAS_CANCELLED, "Query was cancelled")
        if answering.cancelled() and (audit := _audit.get()):
            audit.cancelled()

    @contextmanager
    def _killable(self, request: QueryRequest) -> Iterator[asyncio.Event]:
        """Have KILL QUERY find the request, by the name that its client gave it, from its waiting for a slot on."""
        killed = asyncio.Event()
        if not request.query_id:
            yield killed
            return
        self._killed[request.query_id].add(killed)
        try:
            yield killed
        finally:
            self._killed[request.query_id].discard(killed)
            if not self._killed[request.query_id]:
                del self._killed[request.query_id]

    async def _answer(self, request: QueryRequest, peer: Peer, send: Send) -> None:
        await self._slots.acquire(peer)
        try:
            if peer.has_left():  # while it waited; whoever looks for that hears of it in a moment
                await asyncio.sleep(_NOTICED_SECONDS)
                raise door_error(QUERY_WAS_CANCELLED, "Query was cancelled")
            run = QueryRun(self._engine, request)
            run.start()
        except BaseException:
            self._slots.release()
            raise
        self._overdue.watch(run.mark, run.outcome, self._limits.seconds)
        loop = asyncio.get_running_loop()
        run.outcome.add_done_callback(lambda _: loop.call_soon_threadsafe(self._slots.release))
        try:
            await Answer(run, request, self._engine, self._limits, send).deliver()
        finally:
            if audit := _audit.get():
                audit.ran(run.outcome)
            stopping = asyncio.create_task(run.stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _send_error(self, send: Send, error: DoorError) -> None:
        log.info("a query was refused or failed", code=error.code)
        headers = {"x-clickhouse-server-display-name": DISPLAY_NAME, "x-clickhouse-exception-code": str(error.code)}
        if error.status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["retry-after"] = "1"
        if error.status is HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = 'Basic realm="rollcall"'
        body = f"{error.body} (version {self._engine.version})\n"
        await _send_text(send, error.status, body, headers)


@contextmanager
def _audited(audit: Audit) -> Iterator[None]:
    """Write the audit line of a query when its answer has ended, well or not."""
    _audit.set(audit)
    try:
        yield
    except DoorError as error:
        audit.failed(error)
        raise
    except CutShortError as error:
        if isinstance(error.__cause__, DoorError):
            audit.failed(error.__cause__)
        else:
            audit.cancelled()
        raise
    finally:
        audit.write()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_text(send: Send, status: HTTPStatus, text: str, headers: dict[str, str]) -> None:
    body = text.encode("utf-8", "surrogateescape")
    headers = {"content-type": "text/plain; charset=UTF-8", "content-length": str(len(body)), **headers}
    await send_head(send, status, headers)
    await send({"type": "http.response.body", "body": body})


def create_door(
    address: Embedded,
    *,
    listen: str,
    token: str = "",
    control_token: str = "",
    unprotected: bool = False,
    audit: bool = False,
    limits: DoorLimits | None = None,
    control: Sequence[BaseRoute] = (),
    overdue: OverdueQueries | None = None,
) -> Starlette:
    """Return the door as an ASGI application whose lifespan opens and closes its handles on the engine.

    Args:
        address: The embedded warehouse; this process must hold it, and its schema must be current.
        listen: Where the door will be served, as ``host:port``.
        token: What clients must know.
        control_token: Lets in as well wherever a token is needed: other commands of the same user have it.
        unprotected: Let everybody in; only without a token, and on loopback.
        audit: Whether each query is a line of the log: who, from where, what kind, how many rows.
        limits: What queries may take.
        control: More routes to serve at this address, under the same guard against web pages; they check their own
            tokens.
        overdue: Takes note of queries that run past their deadline.

    Raises:
        SettingsError: The door would be open without a token, or to other machines.
    """
    if not token and not is_loopback(listen):
        raise SettingsError(
            f"sql_listen: {listen} can be reached from other machines, so the SQL door needs a token; set one, or "
            "listen on 127.0.0.1"
        )
    if not token and not unprotected:
        raise SettingsError("sql_token: the SQL door has none; set one, or write sql_unprotected = true")
    limits = limits or DoorLimits()
    engine = Engine(address.path, limits)
    tokens = Tokens(token, control_token) if token else None
    endpoint = QueryEndpoint(engine, limits, tokens, overdue or OverdueQueries(), audit=audit)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(engine.open)
        try:
            yield
        finally:
            await endpoint.close()
            await asyncio.to_thread(engine.close)

    async def ping(_: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    app = Starlette(
        routes=[*control, Route("/ping", ping, methods=["GET"]), Route("/", endpoint)],
        middleware=[
            Middleware(
                GuardedDoor,
                guard=Guard(listen, any_proxy=bool(token), any_host=not is_loopback(listen)),
                refusals=refusals() if audit else None,
            )
        ],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app
