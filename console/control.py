"""What other commands may request of the `up` that holds the embedded files: today, to rebuild days.

They do it over the SQL door's address, with the token that `up` wrote into its lock file: whoever can read that file
could as well open the warehouse.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import date

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.warehouse.engines import Holding

_PATH = "/rollcall/rebuild"

Rebuild = Callable[[str, Sequence[date] | None], Awaitable[list[str]]]
"""Rebuilds days of a site, None for all; returns the months rebuilt, such as ``2026-11``."""


class RebuildRequest(msgspec.Struct, frozen=True):
    """Days of a site to rebuild; no days for all."""

    site: str
    days: list[date] | None = None


def control_routes(token: str, rebuild: Rebuild) -> list[Route]:
    """Return the route that rebuilds on request of who knows the token."""

    async def endpoint(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return Response("the control token is missing or wrong\n", 401)
        try:
            rebuild_request = msgspec.json.decode(await request.body(), type=RebuildRequest)
        except msgspec.DecodeError as error:
            return Response(f"{error}\n", 400)
        try:
            months = await rebuild(rebuild_request.site, rebuild_request.days)
        except RollcallError as error:
            return Response(f"{error}\n", 503)
        return Response(msgspec.json.encode(months), media_type="application/json")

    return [Route(_PATH, endpoint, methods=["POST"])]


async def request_rebuild(holding: Holding, site: str, days: Sequence[date] | None) -> list[str]:
    """Have the process that holds the embedded files rebuild days, and wait for it.

    Raises:
        WarehouseUnavailableError: It does not answer, or the rebuild failed.
    """
    if not holding.sql_url:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) holds the embedded warehouse and takes no requests: only `up` "
            "does, once it has started and while sql_listen is set. Try again, or stop that process"
        )
    rebuild_request = RebuildRequest(site, list(days) if days is not None else None)
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), trust_env=False) as client:
            answer = await client.post(
                holding.sql_url + _PATH,
                content=msgspec.json.encode(rebuild_request),
                headers={"authorization": f"Bearer {holding.control_token}"},
            )
    except httpx.HTTPError as error:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) does not answer: {error}"
        ) from error
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the rebuild failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=list[str])
