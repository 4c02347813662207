"""The site as an ASGI application: Jira's REST API, the gateway's prefix, and the control surface."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from simulator.chance import share
from simulator.rest import control
from simulator.rest.answer import JiraError, answer
from simulator.rest.ask import Ask
from simulator.rest.auth import refuse, refuse_stranger, signed_in
from simulator.rest.endpoints import ANYBODY, ENDPOINTS, Endpoint
from simulator.rest.scribe import RestScribe
from simulator.rest.search import Searches, count, search
from simulator.rest.state import Site

_V3 = "/rest/api/3"


def build_app(site: Site) -> Starlette:
    """Return the application that answers for this site."""
    scribe, searches = RestScribe(site), Searches(site)
    found = [
        Endpoint("POST", f"{_V3}/search/jql", lambda ask, scribe: search(ask, searches, scribe), ANYBODY),
        Endpoint("GET", f"{_V3}/search/jql", lambda ask, scribe: search(ask, searches, scribe), ANYBODY),
        Endpoint("POST", f"{_V3}/search/approximate-count", lambda ask, _scribe: count(ask, searches), ANYBODY),
        *ENDPOINTS,
    ]

    def routes(*, gateway: bool) -> list[Route]:
        return [
            Route(one.path, _handler(site, scribe, one, gateway=gateway), methods=[one.method], name=one.name)
            for one in found
        ]

    async def tenant_info(_request: Request) -> Response:
        return answer({"cloudId": site.cloud_id})

    return Starlette(
        routes=[
            *control.routes(site),
            Route("/_edge/tenant_info", tenant_info),
            Mount(f"/ex/jira/{site.cloud_id}", routes=routes(gateway=True)),
            *routes(gateway=False),
        ]
    )


def _handler(
    site: Site, scribe: RestScribe, endpoint: Endpoint, *, gateway: bool
) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers one endpoint: counted, delayed, throttled, checked, and only then asked."""

    async def handle(request: Request) -> Response:
        number = site.requests.total()
        site.requests[endpoint.name] += 1
        if site.faults.latency_ms:
            await asyncio.sleep(site.faults.latency_ms / 1000)
        body = await request.body()
        response = _fault(site, endpoint, number) or _answer(site, scribe, endpoint, request, body, gateway=gateway)
        site.statuses[response.status_code] += 1
        if site.faults.vanish_every and (number + 1) % site.faults.vanish_every == 0:
            site.vanish(site.faults.vanish_count)
        return response

    return handle


def _fault(site: Site, endpoint: Endpoint, number: int) -> Response | None:
    """Return the failure this request is to meet, if any."""
    faults = site.faults
    if forced := faults.forced.get(endpoint.name):
        status = forced.pop(0)
        if status == 429:
            return site.throttle.refuse(faults.throttle_forms, 100)
        return JiraError(status, "Forced by the test.").response() if status != 200 else None
    if faults.burst_per_s and not site.throttle.take(endpoint.name, faults.burst_per_s, faults.burst_size):
        return site.throttle.refuse(faults.throttle_forms, int(faults.burst_per_s))
    if share(site.config.seed, number, 95) < faults.throttle_share:
        return site.throttle.refuse(faults.throttle_forms, 100)
    if share(site.config.seed, number, 96) < faults.error_share:
        after = faults.error_retry_after
        headers = {} if after is None else {"Retry-After": str(after)}
        return Response("<html><body>Service Unavailable</body></html>", 503, headers, media_type="text/html")
    return None


def _answer(
    site: Site, scribe: RestScribe, endpoint: Endpoint, request: Request, raw: bytes, *, gateway: bool
) -> Response:
    """Return the answer proper."""
    try:
        known = signed_in(site, request.headers, gateway=gateway)
        if not known and endpoint.needs != ANYBODY:
            raise refuse_stranger()
        if endpoint.needs not in ("", ANYBODY) and endpoint.needs not in site.faults.permissions:
            raise refuse(endpoint.needs)
        try:
            body = msgspec.json.decode(raw) if raw else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JiraError(400, "There was an error parsing JSON. Check that your request body is valid.") from error
        ask = Ask(site, request.path_params, request.query_params, body, known)
        value = endpoint.handler(ask, scribe)
    except JiraError as error:
        return error.response()
    return answer(value, endpoint.status)
