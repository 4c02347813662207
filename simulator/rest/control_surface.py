"""The control surface under /_simulator/, for tests and demos. No part of Jira."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from simulator.company.directory import directory_truth
from simulator.life.truth import truth
from simulator.rest.faults import Faults
from simulator.rest.response import json_response
from simulator.rest.site import Site

_BATCH = 500


def routes(site: Site) -> list[Route]:
    """Return the routes of the control surface for a site.

    ``GET stats``, ``POST reset`` (counts), ``POST faults`` (some of `Faults`), ``POST clock`` (``advance_ms`` or
    ``speed``), ``POST directory`` (``remove_user``, ``move_license``, ``set_member``), ``POST vanish`` (``count``, or
    lists of ``issues`` and ``entries``), ``GET truth?since=&until=`` and ``GET directory`` as JSON Lines.
    """

    async def stats(_request: Request) -> Response:
        return json_response(stats_of(site))

    async def reset(_request: Request) -> Response:
        site.requests.clear()
        site.statuses.clear()
        return json_response({})

    async def faults(request: Request) -> Response:
        given = await _object(request)
        merged = {**msgspec.to_builtins(site.faults), **given}
        site.faults = msgspec.convert(merged, Faults)
        return json_response(site.faults)

    async def clock(request: Request) -> Response:
        given = await _object(request)
        if "speed" in given:
            site.clock.speed = float(given["speed"])
        site.clock.advance(int(given.get("advance_ms", 0)))
        return json_response({"now_ms": site.now()})

    async def directory(request: Request) -> Response:
        given = await _object(request)
        if "remove_user" in given:
            site.directory.remove_user(given["remove_user"])
        if "move_license" in given:
            site.directory.move_license(**given["move_license"])
        if "set_member" in given:
            change = given["set_member"]
            site.directory.set_member(change["group"], change["account_id"], member=change["member"])
        return json_response({})

    async def vanish(request: Request) -> Response:
        given = await _object(request)
        site.now()
        for issue_id in given.get("issues", []):
            site.vanish_issue(int(issue_id))
        for entry in given.get("entries", []):
            site.vanished_entries[int(entry)] = site.clock.now()
        issues = site.vanish(int(given.get("count", 0)))
        return json_response({"issues": issues + [int(issue_id) for issue_id in given.get("issues", [])]})

    async def facts(request: Request) -> Response:
        now = site.now()
        since = int(request.query_params.get("since", site.config.start_ms))
        until = int(request.query_params.get("until", now))
        return _lines(truth(site.config, since, until, now))

    async def people(_request: Request) -> Response:
        return _lines(directory_truth(site.directory, site.clock.now()))

    return [
        Route("/_simulator/stats", stats),
        Route("/_simulator/reset", guarded(reset), methods=["POST"]),
        Route("/_simulator/faults", guarded(faults), methods=["POST"]),
        Route("/_simulator/clock", guarded(clock), methods=["POST"]),
        Route("/_simulator/directory", guarded(directory), methods=["POST"]),
        Route("/_simulator/directory", people, methods=["GET"]),
        Route("/_simulator/vanish", guarded(vanish), methods=["POST"]),
        Route("/_simulator/truth", facts),
    ]


def stats_of(site: Site) -> dict[str, Any]:
    """Return what has been asked of the site and what was delivered."""
    return {
        "now_ms": site.now(),
        "issues": len(site.index.rows),
        "requests": dict(site.requests),
        "statuses": {str(status): count for status, count in site.statuses.items()},
        "vanished": {"issues": sorted(site.vanished), "entries": sorted(site.vanished_entries)},
        "deliveries": [stats.as_json() for stats in site.deliveries],
    }


def guarded(handler: Any) -> Any:
    """Answer 400 with the reason when what was sent makes no sense."""

    async def run(request: Request) -> Response:
        try:
            found: Response = await handler(request)
        except (ValueError, TypeError, KeyError) as error:
            return json_response({"error": f"{type(error).__name__}: {error}"}, 400)
        return found

    return run


async def _object(request: Request) -> dict[str, Any]:
    return msgspec.json.decode(await request.body() or b"{}", type=dict[str, Any])


def _lines(rows: Iterable[Any]) -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        encoder, batch = msgspec.json.Encoder(), []
        for row in rows:
            batch.append(encoder.encode(row))
            if len(batch) >= _BATCH:
                yield b"\n".join(batch) + b"\n"
                batch.clear()
        if batch:
            yield b"\n".join(batch) + b"\n"

    return StreamingResponse(stream(), media_type="application/x-ndjson")
