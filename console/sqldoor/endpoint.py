"""The HTTP interface: one query a request."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from console.sqldoor.answer import Answer, CutShortError, send_head
from console.sqldoor.asked import Asked, read_asked, url_parameters
from console.sqldoor.body import read_body
from console.sqldoor.check import DISPLAY_NAME
from console.sqldoor.credentials import authenticate
from console.sqldoor.engine import Engine
from console.sqldoor.limits import DoorLimits
from console.sqldoor.refusal import SYNTAX_ERROR, DoorError, refused
from console.sqldoor.run import Run
from console.sqldoor.slots import Slots
from rollcall.logs import logger

log = logger(__name__)


class Endpoint:
    """Answers queries, as an ASGI application.

    Args:
        engine: Who works on them; opened before the first request.
        limits: What they may take.
        tokens: Who may ask; none for everybody.
    """

    def __init__(self, engine: Engine, limits: DoorLimits, tokens: tuple[str, ...]) -> None:
        self._engine = engine
        self._limits = limits
        self._tokens = tokens
        self._slots = Slots(limits)
        self._stopping: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors are answered as ClickHouse does."""
        headers, url = Headers(scope=scope), url_parameters(scope["query_string"])
        try:
            if scope["method"] not in ("GET", "POST"):
                await _send_text(send, HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or POST\n", {"allow": "GET, POST"})
                return
            if scope["method"] == "GET" and "query" not in url and not headers.get("content-length", "0").strip("0"):
                await _send_text(send, HTTPStatus.OK, "Ok.\n", {})
                return
            authenticate(self._tokens, headers, url)
            asked = read_asked(url, headers, await read_body(receive), self._limits)
            if not asked.query.strip():
                raise refused(SYNTAX_ERROR, "Empty query")
            await self._unless_left(asked, receive, send)
        except DoorError as error:
            await self._send_error(send, error)
        except CutShortError:
            # Returning without the answer's end makes the server close the connection: the client must notice.
            log.warning("an answer was cut short")

    async def close(self, seconds: float = 5.0) -> None:
        """Wait a while for the queries that were told to stop."""
        if not self._stopping:
            return
        _, stuck = await asyncio.wait(self._stopping, timeout=seconds)
        for task in stuck:
            log.warning("a query does not stop; leaving it behind")
            task.cancel()

    async def _unless_left(self, asked: Asked, receive: Receive, send: Send) -> None:
        """Answer, or stop the query when its client goes away."""
        answering = asyncio.create_task(self._answer(asked, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _answer(self, asked: Asked, send: Send) -> None:
        await self._slots.take()
        try:
            run = Run(self._engine, asked)
            run.start()
        except BaseException:
            self._slots.give_back()
            raise
        loop = asyncio.get_running_loop()
        run.outcome.add_done_callback(lambda _: loop.call_soon_threadsafe(self._slots.give_back))
        try:
            await Answer(run, asked, self._engine, self._limits, send).deliver()
        finally:
            stopping = asyncio.create_task(run.stop())
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _send_error(self, send: Send, error: DoorError) -> None:
        log.info("a query was refused or failed", code=error.code)
        headers = {"x-clickhouse-server-display-name": DISPLAY_NAME, "x-clickhouse-exception-code": str(error.code)}
        if error.status is HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = 'Basic realm="rollcall"'
        body = f"{error.body} (version {self._engine.version})\n"
        await _send_text(send, error.status, body, headers)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_text(send: Send, status: HTTPStatus, text: str, headers: dict[str, str]) -> None:
    body = text.encode("utf-8", "surrogateescape")
    headers = {"content-type": "text/plain; charset=UTF-8", "content-length": str(len(body)), **headers}
    await send_head(send, status, headers)
    await send({"type": "http.response.body", "body": body})
