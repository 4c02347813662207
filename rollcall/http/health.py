"""The routes for monitors, which every process serves: alive, ready, metrics."""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rollcall.errors import RollcallError
from rollcall.http.guard import Guard, is_loopback
from rollcall.metrics import OWN_METRICS

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 5.0
"""How long one check may take before it counts as failed."""

_CREDENTIALS = re.compile(r"://[^/\s@]*@")
_FILE = re.compile(r"(?<![\w:/.])/[^\s/:;,()]+(?:/[^\s/:;,()]+)+")
"""A path: where things lie on this machine is told by the log, not to whoever asks."""

_LONGEST = 200


async def own_metrics() -> bytes:
    """Return all metrics of a process without an engine, in Prometheus' text format."""
    return generate_latest(OWN_METRICS)


def health_routes(
    checks: Mapping[str, Check],
    notes: Mapping[str, Callable[[], str]] | None = None,
    metrics: Callable[[], Awaitable[bytes]] = own_metrics,
    *,
    listen: str = "",
    token: str = "",
) -> list[Route]:
    """Return ``/healthz`` (the process answers), ``/readyz`` (every check passes) and ``/metrics`` (Prometheus).

    Args:
        checks: By name, what raises when something that is needed cannot be reached.
        notes: By name, what ``/readyz`` says besides, whatever its status: what goes wrong there is no reason to send
            requests elsewhere.
        metrics: Returns what ``/metrics`` answers.
        listen: Where they are served; on loopback ``/readyz`` and ``/metrics`` are for this machine alone.
        token: What must come as Bearer for ``/metrics``, and for more of ``/readyz`` than its status; a proxy that
            leaves no trace does not have it. Empty where none is asked for.
    """
    guard = Guard(listen, any_proxy=bool(token), any_host=bool(token)) if listen and is_loopback(listen) else None

    def knows(request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return not token or (scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()))

    def within(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            refusal = guard.judge(request.headers, request.scope.get("http_version", "1.1")) if guard else None
            if refusal:
                return Response(f"for this machine alone: {refusal.value}\n", 403, media_type="text/plain")
            return await answer(request)

        return guarded

    async def alive(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def ready(request: Request) -> Response:
        states = await asyncio.gather(*(_state(check) for check in checks.values()))
        found = dict(zip(checks, states, strict=True))
        found |= {name: note() for name, note in (notes or {}).items()}
        status = 200 if all(state == "ok" for state in states) else 503
        return JSONResponse(found if knows(request) else {"ready": status == 200}, status)

    async def measured(request: Request) -> Response:
        if not knows(request):
            return Response("metrics_token is needed\n", 401, {"www-authenticate": "Bearer"}, media_type="text/plain")
        return Response(await metrics(), headers={"content-type": CONTENT_TYPE_LATEST})

    return [Route("/healthz", alive), Route("/readyz", within(ready)), Route("/metrics", within(measured))]


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except RollcallError as error:
        return f"{type(error).__name__}: {_FILE.sub('…', _CREDENTIALS.sub('://…@', str(error)))}"[:_LONGEST]
    except Exception as error:  # a foreign error's text may hold anything, so only its name
        return type(error).__name__
    return "ok"
