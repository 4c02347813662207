"""The page's routes, each behind the same gate and with the same headers.

The headers say: nothing from elsewhere, nothing stored, shown in no frame.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.row_format import blocks
from console.web.access import (
    FIGURES,
    ROWS_SHOWN,
    VIEWS,
    Gate,
    Password,
    Policy,
    Role,
    Sessions,
    role_now,
    visitor_now,
)
from console.web.api import Api
from console.web.chart import SERIES, draw_calendar
from console.web.openapi import PREFIX
from console.web.overview import CHART_DAYS, Overview, Page, Stage, plain
from console.web.people import LARGEST_FIRST, LONGEST_ACCOUNT, People, Show, Sort, TableQuery, typed
from console.web.pipeline_health import percent
from console.web.queries import PageQueries
from console.web.seat_reports import SEAT_REPORTS, Found, SeatReport, change
from console.web.seats import SeatExport, SeatQuery
from console.web.sign_in import SignIn
from console.web.template import render
from rollcall.errors import RollcallError
from rollcall.http.guard import Throttle, host_of
from rollcall.warehouse import Row
from rollcall.warehouse.robots import BURST
from rollcall.warehouse.seats import Verdict

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


class Site:
    """What every view shows around its own: the sites, the views, and who is signed in.

    Args:
        page: What the page stands on.
    """

    def __init__(self, page: Page) -> None:
        self.settings = page.runtime.settings

    def named(self, request: Request) -> str:
        """Return the site that a request names; the first one where it names none."""
        named = request.query_params.get("site", "")
        return named if named in self.settings.sites else next(iter(self.settings.sites))

    def frame(self, site: str, view: str) -> dict[str, object]:
        """Return the values of what is around a view.

        Args:
            site: Name of the site shown.
            view: The view's address.
        """
        sees_names = role_now() is Role.NAMES
        return {
            "site": site,
            "sites": list(self.settings.sites),
            "signed_in": visitor_now().by == "session",
            "view": view,
            "views": VIEWS if sees_names else FIGURES,
            "sees_names": sees_names,
        }


class Home:
    """The routes ``/`` and ``/live``.

    Args:
        page: What the page stands on.
        queries: What is read of log and warehouse.
        around: What is around every view.
    """

    def __init__(self, page: Page, queries: PageQueries, around: Site) -> None:
        self._settings = settings = page.runtime.settings
        self._webhooks_elsewhere = f"http://{settings.listen}" if page.listen else ""
        self._queries = queries
        self._around = around

    async def show(self, request: Request) -> Response:
        """Show the whole page of a site."""
        site = self._around.named(request)
        query = TableQuery.read(site, request.query_params)
        overview = await self._queries.overview(site)
        people: People | None = None
        trouble, seats, seats_trouble = overview.trouble, list[Row](), ""
        if not trouble and role_now() is not Role.NAMES:
            setattr(request.state, ROWS_SHOWN, 0)
        elif not trouble:
            try:
                people = await self._queries.people(query)
                setattr(request.state, ROWS_SHOWN, len(people.rows))
            except RollcallError as error:
                trouble = plain(error)
        if not trouble:
            try:
                seats = await self._queries.savings(site)
            except RollcallError as error:
                seats_trouble = plain(error)
        columns = [(column, column in LARGEST_FIRST) for column in Sort]
        body = render(
            "page.html",
            **self._around.frame(site, "/"),
            **self._values(request, overview),
            people=people,
            people_trouble=trouble,
            seats=seats,
            seats_trouble=seats_trouble,
            asks_who_looked=bool(self._settings.organization.id),
            query=people.query if people else query,
            columns=columns,
            Show=Show,
        )
        return Response(body, 503 if trouble else 200, media_type="text/html")

    async def live(self, request: Request) -> Response:
        """Show only what changes by itself; always 200, for trouble is part of it."""
        overview = await self._queries.overview(self._around.named(request))
        body = render("live.html", site=overview.site, **self._values(request, overview))
        return Response(body, media_type="text/html")

    def _values(self, request: Request, overview: Overview) -> dict[str, object]:
        public = self._settings.page.public_url
        here = f"{request.url.scheme}://{host_of(request.headers) or self._settings.listen}"
        address = public or self._webhooks_elsewhere or here
        return {
            "overview": overview,
            "unsigned": self._settings.sites[overview.site].unsigned,
            "webhook_url": f"{address}/webhooks/{overview.site}",
            "reachable": address.startswith("https://"),
            "series": SERIES,
            "Stage": Stage,
        }


class SeatsView:
    """The routes ``/seats``, ``/seats.csv`` and ``/seats.json``.

    Args:
        queries: What is read of the warehouse.
        around: What is around every view.
    """

    def __init__(self, queries: PageQueries, around: Site) -> None:
        self._queries = queries
        self._around = around

    async def show(self, request: Request) -> Response:
        """Show a site's products, and a page of its seats."""
        site = self._around.named(request)
        query = SeatQuery.read(site, request.query_params)
        shown: dict[str, object] = {"products": [], "groups": [], "seats": None, "trouble": ""}
        try:
            products, groups, seats = await asyncio.gather(
                self._queries.savings(site), self._queries.groups(site), self._queries.seats(query)
            )
        except RollcallError as error:
            shown["trouble"] = plain(error)
        else:
            setattr(request.state, ROWS_SHOWN, len(seats.rows))
            query = seats.query
            shown |= {"products": products, "groups": groups, "seats": seats}
        settings = self._around.settings
        body = render(
            "seats.html",
            **self._around.frame(site, "/seats"),
            **shown,
            query=query,
            zone=settings.sites[site].zone(),
            rules=settings.seats,
            asks_who_looked=bool(settings.organization.id),
            Verdict=Verdict,
        )
        return Response(body, 503 if shown["trouble"] else 200, media_type="text/html")

    async def csv(self, request: Request) -> Response:
        """Give all seats of a query as CSV."""
        return await self._export(request, SeatExport.csv, "csv", "text/csv")

    async def json(self, request: Request) -> Response:
        """Give all seats of a query as JSON."""
        return await self._export(request, SeatExport.json, "json", "application/json")

    async def _export(
        self, request: Request, form: Callable[[SeatExport], Iterator[bytes]], ending: str, kind: str
    ) -> Response:
        site = self._around.named(request)
        try:
            found = await self._queries.seat_export(SeatQuery.read(site, request.query_params))
        except RollcallError as error:
            return Response(f"{plain(error)}\n", 503, media_type="text/plain")
        setattr(request.state, ROWS_SHOWN, found.total)
        name = {"content-disposition": f'attachment; filename="seats-{site}.{ending}"'}
        return StreamingResponse(blocks(form(found)), headers=name, media_type=kind)


class SeatReportView:
    """The routes of one report of seats: its page, and its rows as CSV and as JSON.

    Args:
        report: Which.
        queries: What is read of the warehouse.
        around: What is around every view.
    """

    def __init__(self, report: SeatReport, queries: PageQueries, around: Site) -> None:
        self._report = report
        self._queries = queries
        self._around = around

    def routes(self) -> dict[str, Callable[[Request], Awaitable[Response]]]:
        """Return what answers each of its addresses."""
        path = self._report.path
        return {path: self.show, f"{path}.csv": self.csv, f"{path}.json": self.json}

    async def show(self, request: Request) -> Response:
        """Show what the report finds."""
        site = self._around.named(request)
        query = self._report.asked(site, request.query_params)
        found, charts, trouble = None, dict[str, str](), ""
        try:
            found = await self._queries.found(self._report, query)
            charts = found.charts(query)
            setattr(request.state, ROWS_SHOWN, len(found.rows))
        except RollcallError as error:
            trouble = plain(error)
        settings = self._around.settings
        body = render(
            f"{self._report.name}.html",
            **self._around.frame(site, self._report.path),
            report=self._report,
            query=query,
            found=found,
            charts=charts,
            trouble=trouble,
            zone=settings.sites[site].zone(),
            rules=settings.seats,
            asks_who_looked=bool(settings.organization.id),
            Verdict=Verdict,
            percent=percent,
            change=change,
            least_burst=BURST,
        )
        return Response(body, 503 if trouble else 200, media_type="text/html")

    async def csv(self, request: Request) -> Response:
        """Give what is shown as CSV."""
        return await self._export(request, Found.csv, "csv", "text/csv")

    async def json(self, request: Request) -> Response:
        """Give what is shown as JSON."""
        return await self._export(request, Found.json, "json", "application/json")

    async def _export(
        self, request: Request, form: Callable[[Found], Iterator[bytes]], ending: str, kind: str
    ) -> Response:
        site = self._around.named(request)
        try:
            found = await self._queries.found(self._report, self._report.asked(site, request.query_params))
        except RollcallError as error:
            return Response(f"{plain(error)}\n", 503, media_type="text/plain")
        setattr(request.state, ROWS_SHOWN, len(found.rows))
        name = {"content-disposition": f'attachment; filename="{self._report.name}-{site}.{ending}"'}
        return StreamingResponse(blocks(form(found)), headers=name, media_type=kind)


class PersonView:
    """The route ``/person``.

    Args:
        queries: What is read of the warehouse.
        around: What is around every view.
    """

    def __init__(self, queries: PageQueries, around: Site) -> None:
        self._queries = queries
        self._around = around

    async def show(self, request: Request) -> Response:
        """Show one account: its year, its seats, its groups and roles."""
        site = self._around.named(request)
        account = typed(request.query_params.get("account", ""))[:LONGEST_ACCOUNT]
        person, trouble = None, ""
        try:
            person = await self._queries.person(site, account)
            setattr(request.state, ROWS_SHOWN, int(person is not None))
        except RollcallError as error:
            trouble = plain(error)
        body = render(
            "person.html",
            **self._around.frame(site, "/person"),
            person=person,
            calendar=draw_calendar(person) if person else "",
            trouble=trouble,
            zone=self._around.settings.sites[site].zone(),
            series=SERIES,
        )
        return Response(body, 503 if trouble else 200 if person else 404, media_type="text/html")


class HealthView:
    """The route ``/health``.

    Args:
        page: What the page stands on.
        queries: What is read of log and warehouse.
        around: What is around every view.
    """

    def __init__(self, page: Page, queries: PageQueries, around: Site) -> None:
        self._notices = page.notices
        self._queries = queries
        self._around = around

    async def show(self, request: Request) -> Response:
        """Show how the pipeline of a site does."""
        site = self._around.named(request)
        health, trouble = None, ""
        try:
            health = await self._queries.health(site)
            setattr(request.state, ROWS_SHOWN, 0)
        except RollcallError as error:
            trouble = plain(error)
        body = render(
            "health.html",
            **self._around.frame(site, "/health"),
            health=health,
            notices=self._notices(),
            trouble=trouble,
            zone=self._around.settings.sites[site].zone(),
            days=CHART_DAYS,
            percent=percent,
            moment=lambda ms: datetime.fromtimestamp(ms / 1000, UTC),
        )
        return Response(body, 503 if trouble else 200, media_type="text/html")


def page_routes(page: Page) -> list[BaseRoute]:
    """Return the routes of the page: the views with their exports, the API, ``/live``, signing in and out, ``/static``.

    Args:
        page: What it stands on; at least one site must be in its settings. The routes belong to the event loop that
            the page's log belongs to.
    """
    settings = page.runtime.settings
    policy = Policy(settings, page.listen or settings.listen)
    sessions = Sessions(settings.page.session_hours * 3600, time.time)
    audit = settings.audits_page(page.listen or settings.listen)
    password = Password(settings.page.secret(), Throttle(time.monotonic), settings.page.figures_secret())
    signing = SignIn(settings, policy, sessions, password, page.once)
    around, queries = Site(page), PageQueries(page)
    home, seats = Home(page, queries, around), SeatsView(queries, around)
    person, health = PersonView(queries, around), HealthView(page, queries, around)
    private = Middleware(PageHeaders, cache="private, no-store")
    gate = Middleware(
        Gate,
        policy=policy,
        sessions=sessions,
        password=password,
        proxy=signing.proxy.told,
        audit=audit,
    )
    behind_the_gate = [private, gate]
    static = StaticFiles(packages=[("console.web", "static")])
    gated: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/": home.show,
        "/live": home.live,
        "/seats": seats.show,
        "/person": person.show,
        "/health": health.show,
        "/seats.csv": seats.csv,
        "/seats.json": seats.json,
    }
    for report in SEAT_REPORTS:
        gated |= SeatReportView(report, queries, around).routes()
    return [
        *(Route(path, show, methods=["GET"], middleware=behind_the_gate) for path, show in gated.items()),
        Mount(PREFIX, Api(page, queries).app(), middleware=behind_the_gate),
        *signing.routes(private),
        # Nothing in there is anybody's: the style and script of a program that everybody may read.
        Mount("/static", static, middleware=[Middleware(PageHeaders, cache="no-cache")]),
    ]
