"""A webhook's body, read within limits of size, time and memory, and the refusal when it is not taken."""

import asyncio

from starlette.types import Receive

from rollcall.errors import RollcallError


class RefusalError(RollcallError):
    """A webhook is answered with an error, and nothing of it is stored.

    Jira sends again after 408, 409, 425, 429, 5xx and a lost connection, and drops the event for good after any
    other 4xx (announcement by Atlassian's staff).

    Attributes:
        status: HTTP status of the answer.
        reason: Short stable word for the answer, the log line and the metric.
        detail: More for the log line, empty when there is no more; never text of the webhook.
        close: Whether the connection is of no more use, and closed with the answer.
    """

    def __init__(self, status: int, reason: str, detail: str = "", *, close: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.close = close


class DisconnectedError(RollcallError):
    """The sender went away before its webhook was whole; Jira sends it again."""


SMALL = 64 * 1024
"""Bytes of a body for which room is kept: most webhooks have below 32 KiB (captures)."""


class BodyBudget:
    """How many bytes of bodies all requests together hold in memory.

    What a body has beyond `SMALL` gets three quarters of it, and half of it from one peer, but always one body of the
    largest size. So whoever holds back the end of large bodies, which nobody has signed yet, leaves room for small ones
    and for large ones of others.

    Args:
        limit: Bytes in all.
        body_limit: Most bytes that one body may have.
    """

    def __init__(self, limit: int, body_limit: int) -> None:
        self._limit = limit
        self._large_limit = max(limit * 3 // 4, body_limit)
        self._peer_limit = max(limit // 2, body_limit)
        self._large: dict[str, int] = {}
        self.used = 0

    def take(self, size: int, large: int, peer: str) -> bool:
        """Take part of the budget; False, and nothing taken, when there is not enough left.

        Args:
            size: Bytes.
            large: How many of them their body has beyond `SMALL`.
            peer: Where the body comes from.
        """
        if self.used + size > self._limit:
            return False
        if large:
            held = self._large.get(peer, 0)
            if held + large > self._peer_limit or sum(self._large.values()) + large > self._large_limit:
                return False
            self._large[peer] = held + large
        self.used += size
        return True

    def give_back(self, size: int, large: int, peer: str) -> None:
        """Give back what was taken."""
        self.used -= size
        if large and not (left := self._large.get(peer, 0) - large):
            del self._large[peer]
        elif large:
            self._large[peer] = left


class Body:
    """The body of one request. It counts against the budget from its first byte until `release`.

    Args:
        limit: Most bytes it may have.
        seconds: How long it may take to arrive, from the first byte to the last.
        budget: What all bodies share.
        peer: The address that it comes from.
    """

    def __init__(self, limit: int, seconds: float, budget: BodyBudget, peer: str) -> None:
        self._limit = limit
        self._seconds = seconds
        self._budget = budget
        self._peer = peer
        self._held = 0
        self.size = 0
        """Bytes that came of it, also after `release`."""
        self.ended = False
        """Whether it came to its end."""

    async def read(self, receive: Receive) -> bytes:
        """Read it whole from the ASGI channel.

        Raises:
            RefusalError: It is too large (413), too slow (408), or the budget is used up (503).
            DisconnectedError: The sender went away.
        """
        try:
            async with asyncio.timeout(self._seconds):
                chunk, more = await self._next(receive)
                if not more:
                    return chunk
                chunks = [chunk]
                while more:
                    chunk, more = await self._next(receive)
                    chunks.append(chunk)
        except TimeoutError:
            raise RefusalError(408, "too_slow", close=True) from None
        return b"".join(chunks)

    def release(self) -> None:
        """Give its part of the budget back."""
        self._budget.give_back(self._held, max(self._held - SMALL, 0), self._peer)
        self._held = 0

    async def _next(self, receive: Receive) -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError("the sender went away")
        chunk: bytes = message.get("body", b"")
        if self.size + len(chunk) > self._limit:
            raise RefusalError(413, "too_large")
        large = max(self._held + len(chunk) - SMALL, 0) - max(self._held - SMALL, 0)
        if not self._budget.take(len(chunk), large, self._peer):
            raise RefusalError(503, "memory_full")
        self._held += len(chunk)
        self.size += len(chunk)
        more: bool = message.get("more_body", False)
        self.ended = not more
        return chunk, more
