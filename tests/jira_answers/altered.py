"""A simulated Jira site behind a proxy that alters answers, one rule at a time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from unittest import mock

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.config import SiteConfig
from simulator.rest.app import build_app
from simulator.rest.site import Site

from ..reconcile.site import JiraSite, jira_site

Alter = Callable[[httpx.Request, httpx.Response], httpx.Response]

_METHODS = ["GET", "POST", "PUT", "DELETE"]
_OURS = {"content-length", "transfer-encoding"}


def behind(alter: Alter) -> Callable[[Site], Starlette]:
    """What builds the site's application with the proxy before it."""

    def build(site: Site) -> Starlette:
        inner = httpx.ASGITransport(build_app(site))

        async def handle(request: Request) -> Response:
            headers = [pair for pair in request.headers.raw if pair[0] != b"content-length"]
            asked = httpx.Request(request.method, str(request.url), headers=headers, content=await request.body())
            answer = await inner.handle_async_request(asked)
            await answer.aread()
            given = alter(asked, answer)
            kept = {name: value for name, value in given.headers.items() if name not in _OURS}
            return Response(given.content, given.status_code, kept)

        return Starlette(routes=[Route("/{path:path}", handle, methods=_METHODS)])

    return build


@asynccontextmanager
async def altered(parameters: SiteConfig, alter: Alter) -> AsyncIterator[JiraSite]:
    """Run a site whose every answer passes `alter` with its request."""
    with mock.patch("simulator.server.build_app", behind(alter)):
        async with jira_site(parameters) as jira:
            yield jira


def path_of(request: httpx.Request) -> str:
    """The endpoint's path, below the API's version."""
    return request.url.path.partition("/rest/api/3")[2] or request.url.path
