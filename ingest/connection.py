"""A limit on what a connection may send before anything else can judge it: the head of a request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024
"""Most bytes of request line and headers; Jira's are below 2 KiB (captures)."""

HEAD_SECONDS = 20.0
"""How long they may take to arrive."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol, which by itself takes heads of any size and waits for them without end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
        super().data_received(data)
        if not self._in_head:
            return
        self._arm()
        if begun:  # else most of the data may be the end of the request before
            self._head_size += len(data)
        if self._head_size > HEAD_LIMIT:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        """End a head."""
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
