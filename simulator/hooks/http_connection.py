"""One keep-alive HTTP/1.1 connection that posts bodies, and nothing more.

httpx spends about half a millisecond of processor on each request, which would make the sender, and not the
receiver, the slow end of a million webhooks; a worker of the sender needs one connection and one method.
"""

import asyncio
import contextlib
import ssl
from urllib.parse import urlsplit

CONNECT_S, ANSWER_S = 5.0, 20.0
"""Jira's patience, real seconds (two vendors' guides): to connect, and to get an answer."""


class HttpConnection:
    """Posts to one URL over one connection, which is opened when needed and again after a failure."""

    def __init__(self, url: str, answer_s: float = ANSWER_S) -> None:
        """Prepare for a URL, http or https.

        Raises:
            ValueError: It is neither.
        """
        self.url = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {url}")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        self._head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\n".encode()
        self._answer_s = answer_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, headers: dict[str, str], body: bytes) -> int:
        """Send a body and return the status; 0 when the connection fails or the answer takes too long."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, lines.encode(), len(body), body)
        for reused in (self._streams is not None, False):
            try:
                return await self._exchange(request)
            except TimeoutError:
                await self.close()
                break
            except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self.close()
                # A kept-alive connection may have been closed meanwhile; that is no answer, so send on a new one.
                if not reused:
                    break
        return 0

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, request: bytes) -> int:
        if self._streams is None:
            async with asyncio.timeout(CONNECT_S):
                self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._ssl)
        reader, writer = self._streams
        async with asyncio.timeout(self._answer_s):
            writer.write(request)
            await writer.drain()
            status = 100
            while 100 <= status < 200:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status = int(head.split(" ", 2)[1])
            await self._skip_body(reader, head.lower(), status)
        return status

    async def _skip_body(self, reader: asyncio.StreamReader, head: str, status: int) -> None:
        fields = dict(line.split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
        if fields.get("transfer-encoding", "").strip() == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                await reader.readexactly(size + 2)
            await reader.readuntil(b"\r\n")
        elif length := int(fields.get("content-length", 0)):
            await reader.readexactly(length)
        closes = fields.get("connection", "").strip() == "close"
        if closes or (
            status not in (204, 304) and "content-length" not in fields and "transfer-encoding" not in fields
        ):
            await self.close()
