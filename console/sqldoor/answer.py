"""Send an answer: its head once the engine has said enough, and the rest as it comes."""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.types import Send

from console.sqldoor import statement
from console.sqldoor.check import DISPLAY_NAME
from console.sqldoor.compression import compressed_blocks
from console.sqldoor.engine import CHUNK, Engine, QueryRun, QueryStatistics
from console.sqldoor.exceptions import TIMEOUT_EXCEEDED, DoorError, door_error
from console.sqldoor.profile import GRACE, DoorLimits
from console.sqldoor.request import QueryRequest

_T = TypeVar("_T")

_HEAD = 1024 * 1024
"""Bytes held back, as ClickHouse does, so that a query that fails early is answered with a fitting status."""


class CutShortError(Exception):
    """An answer that has begun cannot be finished; the connection must be closed for the client to notice."""


class Answer:
    """The answer to one query.

    Args:
        run: The query under way.
        request: The request it answers.
        engine: Who works on it.
        limits: The door's.
        send: ASGI's.
    """

    def __init__(self, run: QueryRun, request: QueryRequest, engine: Engine, limits: DoorLimits, send: Send) -> None:
        self._run = run
        self._request = request
        self._engine = engine
        self._limits = limits
        self._send = send
        self._deadline = asyncio.get_running_loop().time() + limits.seconds + GRACE
        self._tag = secrets.token_hex(8)

    async def deliver(self) -> None:
        """Send it all.

        Raises:
            DoorError: The query failed, and nothing was sent yet.
            CutShortError: It failed after its answer had begun.
        """
        head = await self._head()
        if head is None:
            return
        await self._start()
        try:
            await self._pass_on(head)
            while chunk := await self._in_time(self._run.read(CHUNK)):
                await self._pass_on(chunk)
            await self._in_time(self._run.ended())
        except DoorError as error:
            # Under a Content-Encoding the text would be no part of the stream; a stream that breaks off must do there.
            if not self._request.encoding:
                await self._pass_on(self._exception_block(error))
            raise CutShortError from error
        await self._hand_over(b"", more=False)

    async def _head(self) -> bytes | None:
        """Return the beginning of a long answer; send a short one whole and return None."""
        head = bytearray()
        while len(head) < _HEAD:
            chunk = await self._in_time(self._run.read(CHUNK))
            if not chunk:
                outcome = await self._in_time(self._run.ended())
                whole = self._packed(bytes(head))
                await self._start(len(whole), outcome)
                await self._hand_over(whole, more=False)
                return None
            head += chunk
        return bytes(head)

    async def _start(self, length: int | None = None, outcome: QueryStatistics | None = None) -> None:
        headers = {
            "x-clickhouse-server-display-name": DISPLAY_NAME,
            "x-clickhouse-query-id": self._request.query_id or self._run.mark,
            "content-type": statement.CONTENT_TYPES[self._run.format],
            "x-clickhouse-format": self._run.format,
            "x-clickhouse-timezone": self._engine.timezone,
            "x-clickhouse-exception-tag": self._tag,
        }
        if length is not None:
            headers["content-length"] = str(length)
        if outcome is not None:
            headers["x-clickhouse-summary"] = _summary(outcome)
        if self._request.encoding:
            headers["content-encoding"] = self._request.encoding
        await send_head(self._send, HTTPStatus.OK, headers)

    async def _pass_on(self, chunk: bytes) -> None:
        await self._hand_over(self._packed(chunk), more=True)

    def _packed(self, chunk: bytes) -> bytes:
        return compressed_blocks(chunk) if self._request.blocks else chunk

    async def _hand_over(self, chunk: bytes, *, more: bool) -> None:
        # A slow client may not hold a query past its deadline; a word on that still gets a moment.
        now = asyncio.get_running_loop().time()
        until = min(now + self._limits.stall_seconds, max(self._deadline, now + GRACE))
        try:
            async with asyncio.timeout_at(until):
                await self._send({"type": "http.response.body", "body": chunk, "more_body": more})
        except TimeoutError:
            raise CutShortError from None

    async def _in_time(self, waiting: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the engine, which stops a query by itself; but some functions do not look at the clock."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await waiting
        except TimeoutError:
            seconds = self._limits.seconds
            raise door_error(
                TIMEOUT_EXCEEDED, f"Timeout exceeded: maximum: {seconds:g} s. The query stops when it next looks"
            ) from None

    def _exception_block(self, error: DoorError) -> bytes:
        """Write an error into an answer under way, in the form that clients since ClickHouse 25.11 look for."""
        text = error.body.encode("utf-8", "surrogateescape")
        return b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (
            self._tag.encode(),
            text,
            len(text) + 1,
            self._tag.encode(),
        )


async def send_head(send: Send, status: HTTPStatus, headers: Mapping[str, str]) -> None:
    """Begin an answer."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": raw})


def _summary(outcome: QueryStatistics) -> str:
    numbers = {
        "read_rows": outcome.read_rows,
        "read_bytes": outcome.read_bytes,
        "written_rows": 0,
        "written_bytes": 0,
        "total_rows_to_read": outcome.read_rows,
        "result_rows": outcome.result_rows,
        "result_bytes": outcome.result_bytes,
        "elapsed_ns": int(outcome.elapsed * 1e9),
    }
    return json.dumps({name: str(number) for name, number in numbers.items()}, separators=(",", ":"))
