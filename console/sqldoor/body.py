"""Read a request's body within bounds."""

import asyncio

from starlette.types import Receive

from console.sqldoor.limits import BODY_BYTES, BODY_SECONDS
from console.sqldoor.refusal import QUERY_IS_TOO_LARGE, SOCKET_TIMEOUT, refused


async def read_body(receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        DoorError: It is too large, comes too slowly, or breaks off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise refused(SOCKET_TIMEOUT, "The request broke off")
                body += message.get("body", b"")
                if len(body) > BODY_BYTES:
                    raise refused(QUERY_IS_TOO_LARGE, f"The request is larger than {BODY_BYTES} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise refused(SOCKET_TIMEOUT, "The request did not arrive in time") from None
