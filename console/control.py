"""What other commands may request of the engine of an `up`, to rebuild days or back up; and what its front asks it.

They do it on loopback, over an SQL door for them alone, with the token that stands in the lock file: whoever can read
that file could as well open the warehouse.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import date

import httpx
import msgspec
from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.metrics import ENGINE_METRICS
from rollcall.warehouse.embedded_backup import WarehouseBackup
from rollcall.warehouse.engines import Holding

_REBUILD_PATH, _BACKUP_PATH = "/rollcall/rebuild", "/rollcall/backup"

Rebuild = Callable[[str, Sequence[date] | None], Awaitable[list[str]]]
"""Rebuilds days of a site, None for all; returns the months rebuilt, such as ``2026-11``."""


class RebuildRequest(msgspec.Struct, frozen=True):
    """Days of a site to rebuild; no days for all."""

    site: str
    days: list[date] | None = None


def control_routes(token: str, rebuild: Rebuild, back_up: Callable[[], Awaitable[WarehouseBackup]]) -> list[Route]:
    """Return the routes that rebuild and back up on request of who knows the token, one backup at a time."""
    backing_up = asyncio.Lock()

    async def rebuild_endpoint(request: Request) -> Response:
        if refusal := _refused(request, token):
            return refusal
        try:
            rebuild_request = msgspec.json.decode(await request.body(), type=RebuildRequest)
        except msgspec.DecodeError as error:
            return Response(f"{error}\n", 400)
        try:
            months = await rebuild(rebuild_request.site, rebuild_request.days)
        except RollcallError as error:
            return Response(f"{error}\n", 503)
        return Response(msgspec.json.encode(months), media_type="application/json")

    async def backup_endpoint(request: Request) -> Response:
        if refusal := _refused(request, token):
            return refusal
        try:
            async with backing_up:
                made = await back_up()
        except RollcallError as error:
            return Response(f"{error}\n", 503)
        return Response(msgspec.json.encode(made), media_type="application/json")

    return [
        Route(_REBUILD_PATH, rebuild_endpoint, methods=["POST"]),
        Route(_BACKUP_PATH, backup_endpoint, methods=["POST"]),
    ]


STATE_PATH, METRICS_PATH = "/rollcall/state", "/rollcall/metrics"


def engine_routes(token: str, state: Callable[[], Awaitable[object]]) -> list[Route]:
    """Return the routes by which an engine tells who knows the token how it goes, and its metrics.

    Args:
        token: The control token.
        state: Returns how it goes, to be sent as JSON.
    """

    async def tell(request: Request) -> Response:
        return _refused(request, token) or Response(msgspec.json.encode(await state()), media_type="application/json")

    async def metrics(request: Request) -> Response:
        return _refused(request, token) or Response(generate_latest(ENGINE_METRICS), media_type="text/plain")

    return [Route(STATE_PATH, tell), Route(METRICS_PATH, metrics)]


def _refused(request: Request, token: str) -> Response | None:
    given = request.headers.get("authorization", "")
    if hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return None
    return Response("the control token is missing or wrong\n", 401)


async def request_rebuild(holding: Holding, site: str, days: Sequence[date] | None) -> list[str]:
    """Have the process that holds the embedded files rebuild days, and wait for it.

    Raises:
        WarehouseUnavailableError: It does not answer, or the rebuild failed.
    """
    rebuild_request = RebuildRequest(site, list(days) if days is not None else None)
    answer = await _request(holding, _REBUILD_PATH, msgspec.json.encode(rebuild_request))
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the rebuild failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=list[str])


async def request_backup(holding: Holding) -> WarehouseBackup:
    """Have the process that holds the embedded files back up the warehouse, and wait for it.

    Raises:
        WarehouseUnavailableError: It does not answer, or the backup failed.
    """
    answer = await _request(holding, _BACKUP_PATH, b"")
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the backup of the warehouse failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=WarehouseBackup)


async def _request(holding: Holding, path: str, content: bytes) -> httpx.Response:
    if not holding.sql_url:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) holds the embedded warehouse and takes no requests: only `up` "
            "does, once it has started. Try again, or stop that process"
        )
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), trust_env=False) as client:
            return await client.post(
                holding.sql_url + path,
                content=content,
                headers={"authorization": f"Bearer {holding.control_token}"},
            )
    except httpx.HTTPError as error:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) does not answer: {error}"
        ) from error
