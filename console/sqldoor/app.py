"""Make the SQL door."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from console.listening import is_loopback
from console.sqldoor.endpoint import Endpoint
from console.sqldoor.engine import Engine
from console.sqldoor.guard import Guard
from console.sqldoor.limits import DoorLimits
from rollcall.errors import SettingsError
from rollcall.warehouse.address import Embedded


def create_door(
    address: Embedded,
    *,
    listen: str,
    token: str = "",
    control_token: str = "",
    limits: DoorLimits | None = None,
    control: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the door as an ASGI application whose lifespan opens and closes its handles on the engine.

    Args:
        address: The embedded warehouse; this process must hold it, and its schema must be current.
        listen: Where the door will be served, as ``host:port``.
        token: What clients must know; may be empty on loopback, where then nobody is asked.
        control_token: Lets in as well wherever a token is asked for: other commands of the same user have it.
        limits: What queries may take.
        control: More routes to serve at this address, under the same guard against web pages; they check their own
            tokens.

    Raises:
        SettingsError: The door would be open to other machines without a token.
    """
    if not token and not is_loopback(listen):
        raise SettingsError(
            f"sql_listen: {listen} can be reached from other machines, so the SQL door needs a token; set one, or "
            "listen on 127.0.0.1"
        )
    limits = limits or DoorLimits()
    engine = Engine(address.path, limits)
    tokens = tuple(one for one in (token, control_token) if one) if token else ()
    endpoint = Endpoint(engine, limits, tokens)

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

    return Starlette(
        routes=[*control, Route("/ping", ping, methods=["GET"]), Route("/", endpoint)],
        middleware=[Middleware(Guard, listen=listen, asks=bool(token))],
        lifespan=lifespan,
    )
