"""The page itself, and the part of it that its script refreshes."""

from starlette.requests import Request
from starlette.responses import Response

from console.page.access.policy import host_of
from console.page.chart import SERIES
from console.page.looking import Look
from console.page.overview import Overview, Stage
from console.page.page import Page
from console.page.people import People
from console.page.pipelinestate import plain
from console.page.rendering import render
from console.page.wanted import LARGEST_FIRST, Show, Sort, Wanted
from rollcall.errors import RollcallError


class Home:
    """The routes ``/`` and ``/live``.

    Args:
        page: What the page stands on.
        look: Asks log and warehouse.
    """

    def __init__(self, page: Page, look: Look) -> None:
        self._settings = page.settings
        self._webhooks_elsewhere = f"http://{page.settings.listen}" if page.listen else ""
        self._look = look
        self._signed_in = bool(page.settings.page.secret())

    async def show(self, request: Request) -> Response:
        """Show the whole page of a site."""
        site = self._site(request)
        wanted = Wanted.read(site, request.query_params)
        overview = await self._look.overview(site)
        people: People | None = None
        trouble = overview.trouble
        if not trouble:
            try:
                people = await self._look.people(wanted)
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
            wanted=people.wanted if people else wanted,
            columns=columns,
            Show=Show,
        )
        return Response(body, 503 if trouble else 200, media_type="text/html")

    async def live(self, request: Request) -> Response:
        """Show only what changes by itself; always 200, for trouble is part of it."""
        overview = await self._look.overview(self._site(request))
        return Response(render("live.html", **self._values(request, overview)), media_type="text/html")

    def _site(self, request: Request) -> str:
        named = request.query_params.get("site", "")
        return named if named in self._settings.sites else next(iter(self._settings.sites))

    def _values(self, request: Request, overview: Overview) -> dict[str, object]:
        public = self._settings.page.public_url
        here = f"{request.url.scheme}://{host_of(request) or self._settings.listen}"
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
