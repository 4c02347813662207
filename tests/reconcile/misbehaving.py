"""A real HTTP server on loopback that answers every request alike, and wrongly."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An HTTP answer with that body, as it goes over the wire."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


NOT_GZIP = answer(b"this was never packed", "content-encoding: gzip")
_PACKED = gzip.compress(b'{"timeZone": "UTC"}' * 99)
BROKEN_GZIP = answer(_PACKED[:-8] + bytes(8), "content-encoding: gzip")
DEEP = answer(b'{"x": ' + b"[" * 3000 + b"]" * 3000 + b"}", "content-type: application/json")
DEEP_LIST = answer(b'[{"x": ' + b"[" * 3000 + b"]" * 3000 + b"}]", "content-type: application/json")
DEEP_REFUSAL = answer(b'{"errors": ' + b"[" * 3000 + b"]" * 3000 + b"}", status="403 Forbidden")
GOOD = answer(b'{"timeZone": "UTC"}', "content-type: application/json")


@dataclass
class Server:
    """Where it answers, and what it was asked."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def misbehaving(*answers: bytes) -> AsyncIterator[Server]:
    """Give these answers in turn, the last one for ever."""
    serving, left = Server(), list[bytes](answers)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            await reader.readexactly(length)
            serving.asked.append(head.split("\r\n")[0])
            writer.write(left[0] if len(left) == 1 else left.pop(0))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield serving
