"""The page's routes, each behind the same gate and with the same headers.

The headers say: nothing from elsewhere, nothing stored, shown in no frame.
"""

import time

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.web.access import ROWS_SHOWN, SIGN_IN_PATH, Gate, Password, Policy, Sessions
from console.web.chart import SERIES
from console.web.overview import Overview, Page, Stage, plain
from console.web.people import LARGEST_FIRST, People, Show, Sort, TableQuery
from console.web.queries import PageQueries
from console.web.sign_in import SignIn
from console.web.template import render
from rollcall.errors import RollcallError
from rollcall.http.guard import Throttle, host_of

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

_ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    # Not no-referrer: browsers then send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
}


class PageHeaders:
    """ASGI middleware that sets the page's headers.

    Args:
        app: What answers.
        cache: Cache-Control of the answers.
    """

    def __init__(self, app: ASGIApp, *, cache: str) -> None:
        self._app = app
        self._headers = {**_ALWAYS, "cache-control": cache}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers added."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, sending)


class Home:
    """The routes ``/`` and ``/live``.

    Args:
        page: What the page stands on.
        queries: What is read of log and warehouse.
    """

    def __init__(self, page: Page, queries: PageQueries) -> None:
        self._settings = settings = page.runtime.settings
        self._webhooks_elsewhere = f"http://{settings.listen}" if page.listen else ""
        self._queries = queries
        self._signed_in = not settings.page.unprotected

    async def show(self, request: Request) -> Response:
        """Show the whole page of a site."""
        site = self._site(request)
        query = TableQuery.read(site, request.query_params)
        overview = await self._queries.overview(site)
        people: People | None = None
        trouble = overview.trouble
        if not trouble:
            try:
                people = await self._queries.people(query)
                setattr(request.state, ROWS_SHOWN, len(people.rows))
            except RollcallError as error:
                trouble = plain(error)
        values = self._values(request, overview)
        columns = [(column, column in LARGEST_FIRST) for column in Sort]
        body = render(
            "page.html",
            **values,
            sites=list(self._settings.sites),
            signed_in=self._signed_in,
            people=people,
            people_trouble=trouble,
            query=people.query if people else query,
            columns=columns,
            Show=Show,
        )
        return Response(body, 503 if trouble else 200, media_type="text/html")

    async def live(self, request: Request) -> Response:
        """Show only what changes by itself; always 200, for trouble is part of it."""
        overview = await self._queries.overview(self._site(request))
        return Response(render("live.html", **self._values(request, overview)), media_type="text/html")

    def _site(self, request: Request) -> str:
        named = request.query_params.get("site", "")
        return named if named in self._settings.sites else next(iter(self._settings.sites))

    def _values(self, request: Request, overview: Overview) -> dict[str, object]:
        public = self._settings.page.public_url
        here = f"{request.url.scheme}://{host_of(request.headers) or self._settings.listen}"
        address = public or self._webhooks_elsewhere or here
        return {
            "overview": overview,
            "site": overview.site,
            "unsigned": self._settings.sites[overview.site].unsigned,
            "webhook_url": f"{address}/webhooks/{overview.site}",
            "reachable": address.startswith("https://"),
            "series": SERIES,
            "Stage": Stage,
        }


def page_routes(page: Page) -> list[BaseRoute]:
    """Return the routes of the page: ``/``, ``/live``, ``/sign-in``, ``/sign-out`` and ``/static``.

    Args:
        page: What it stands on; at least one site must be in its settings. The routes belong to the event loop that
            the page's log belongs to.
    """
    settings = page.runtime.settings
    policy = Policy(settings, page.listen or settings.listen)
    sessions = Sessions(settings.page.session_hours * 3600, time.time)
    audit = settings.audits(page.listen or settings.listen)
    password = Password(settings.page.secret(), Throttle(time.monotonic))
    signing = SignIn(settings, policy, sessions, password, page.once)
    home = Home(page, PageQueries(page))
    private = Middleware(PageHeaders, cache="private, no-store")
    behind_the_gate = [private, Middleware(Gate, policy=policy, sessions=sessions, password=password, audit=audit)]
    static = StaticFiles(packages=[("console.web", "static")])
    return [
        Route("/", home.show, methods=["GET"], middleware=behind_the_gate),
        Route("/live", home.live, methods=["GET"], middleware=behind_the_gate),
        Route(SIGN_IN_PATH, signing.form, methods=["GET"], middleware=[private]),
        Route(SIGN_IN_PATH, signing.sign_in, methods=["POST"], middleware=[private]),
        Route("/sign-out", signing.sign_out, methods=["POST"], middleware=[private]),
        # Nothing in there is anybody's: the style and script of a program that everybody may read.
        Mount("/static", static, middleware=[Middleware(PageHeaders, cache="no-cache")]),
    ]
