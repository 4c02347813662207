"""What other commands may request of the engine of an `up`: rebuild, erase, search, back up; what its front asks it.

They do it on loopback, over an SQL door for them alone, with the token that stands in the lock file: whoever can read
that file could as well open the warehouse.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import TypeVar

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

_REBUILD, _ERASE, _SEARCH, _BACKUP = (f"/rollcall/{work}" for work in ("rebuild", "erase", "search", "backup"))

Rebuild = Callable[[str, Sequence[date] | None], Awaitable[list[str]]]
"""Rebuilds days of a site, None for all; returns the months rebuilt, such as ``2026-11``."""


class RebuildRequest(msgspec.Struct, frozen=True):
    """Days of a site to rebuild; no days for all."""

    site: str
    days: list[date] | None = None


Erase = Callable[[Sequence[tuple[str, str]]], Awaitable[dict[str, int]]]
"""Takes accounts out, by salt and hash, besides who is forgotten already; returns how many rows went, by table."""


class EraseRequest(msgspec.Struct, frozen=True):
    """Accounts to forget, by salt and hash."""

    entries: list[tuple[str, str]]


Search = Callable[[str], Awaitable[dict[str, int]]]
"""Returns in how many rows an account's id stands, by table and column."""


class SearchRequest(msgspec.Struct, frozen=True):
    """An account's id to look for."""

    account_id: str


class BackupRequest(msgspec.Struct, frozen=True):
    """The warehouse to back up."""


_Asked = TypeVar("_Asked")


def control_routes(
    token: str, rebuild: Rebuild, erase: Erase, search: Search, back_up: Callable[[], Awaitable[WarehouseBackup]]
) -> list[Route]:
    """Return the routes that rebuild, erase, search and back up, one at a time, on request of who knows the token."""
    backing_up = asyncio.Lock()

    async def one_backup(_: BackupRequest) -> WarehouseBackup:
        async with backing_up:
            return await back_up()

    def route(path: str, kind: type[_Asked], work: Callable[[_Asked], Awaitable[object]]) -> Route:
        async def endpoint(request: Request) -> Response:
            if refusal := _refused(request, token):
                return refusal
            try:
                asked = msgspec.json.decode(await request.body(), type=kind)
            except msgspec.DecodeError as error:
                return Response(f"{error}\n", 400)
            try:
                done = await work(asked)
            except RollcallError as error:
                return Response(f"{error}\n", 503)
            return Response(msgspec.json.encode(done), media_type="application/json")

        return Route(path, endpoint, methods=["POST"])

    return [
        route(_REBUILD, RebuildRequest, lambda asked: rebuild(asked.site, asked.days)),
        route(_ERASE, EraseRequest, lambda asked: erase(asked.entries)),
        route(_SEARCH, SearchRequest, lambda asked: search(asked.account_id)),
        route(_BACKUP, BackupRequest, one_backup),
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
    answer = await _request(holding, _REBUILD, rebuild_request)
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the rebuild failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=list[str])


async def request_erasure(holding: Holding, entries: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Have the process that holds the embedded files forget accounts, and wait for it; see `request_rebuild`."""
    answer = await _request(holding, _ERASE, EraseRequest(list(entries)))
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the erasure failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=dict[str, int])


async def request_search(holding: Holding, account_id: str) -> dict[str, int]:
    """Have the process that holds the embedded files look for an account's id; see `request_rebuild`."""
    answer = await _request(holding, _SEARCH, SearchRequest(account_id))
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the search failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=dict[str, int])


async def request_backup(holding: Holding) -> WarehouseBackup:
    """Have the process that holds the embedded files back up the warehouse, and wait for it; see `request_rebuild`."""
    answer = await _request(holding, _BACKUP, BackupRequest())
    if answer.status_code != httpx.codes.OK:
        raise WarehouseUnavailableError(f"the backup of the warehouse failed: {answer.text.strip()}")
    return msgspec.json.decode(answer.content, type=WarehouseBackup)


async def _request(holding: Holding, path: str, asked: msgspec.Struct) -> httpx.Response:
    if not holding.sql_url:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) holds the embedded warehouse and takes no requests: only `up` "
            "does, once it has started. Try again, or stop that process"
        )
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), trust_env=False) as client:
            return await client.post(
                holding.sql_url + path,
                content=msgspec.json.encode(asked),
                headers={"authorization": f"Bearer {holding.control_token}"},
            )
    except httpx.HTTPError as error:
        raise WarehouseUnavailableError(
            f"process {holding.pid} ({holding.command}) does not answer: {error}"
        ) from error
