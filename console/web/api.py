"""The JSON API, ``/api/v1``: sites, every report of the command, a person, health; and the description of itself.

Rows are those of the command, and come by the same queries. `console.web.openapi` declares what is taken and answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.reports import REPORTS, Asked, Everything
from console.row_format import JSON
from console.row_format import plain as written
from console.web.access import OF_PERSONS, ROWS_SHOWN, SHOWN, Role, problem, role_now
from console.web.openapi import PREFIX, InvalidParameterError, description, read_query
from console.web.overview import Page, plain
from console.web.people import FAMILIES, LONGEST_ACCOUNT, Person
from console.web.pipeline_health import Health, moment_of
from console.web.queries import PageQueries
from rollcall.errors import RollcallError
from rollcall.warehouse import Row, Slice

_RETRY_SECONDS = 10


class Api:
    """The routes below ``/api/v1``.

    Args:
        page: What the page stands on.
        queries: What is read of log and warehouse.
    """

    def __init__(self, page: Page, queries: PageQueries) -> None:
        self._settings = page.runtime.settings
        self._notices = page.notices
        self._queries = queries
        self._description = JSON.encode(description([*self._settings.sites]))

    def app(self) -> Starlette:
        """Return them as an application; each answer of it is JSON."""
        site = "/sites/{site}"
        routes = {
            "/openapi.json": self.described,
            "/sites": self.sites,
            f"{site}/reports/{{report}}": self.report,
            f"{site}/people/{{account_id}}": self.person,
            f"{site}/health": self.health,
        }
        app = Starlette(
            routes=[Route(path, answer, methods=["GET"]) for path, answer in routes.items()],
            exception_handlers={HTTPException: _refused, RollcallError: _unavailable, InvalidParameterError: _invalid},
        )
        app.router.redirect_slashes = False
        return app

    async def described(self, request: Request) -> Response:
        """Give the description of the API."""
        _no_parameters(request)
        _show(request, "api/openapi", "", 0)
        return Response(self._description, media_type="application/json")

    async def sites(self, request: Request) -> Response:
        """Give the sites."""
        _no_parameters(request)
        sites = [{"name": name, "timezone": site.zone().key} for name, site in self._settings.sites.items()]
        _show(request, "api/sites", "", 0)
        return _json({"sites": sites})

    async def report(self, request: Request) -> Response:
        """Give rows of a report."""
        site, name = self._site(request), request.path_params["report"]
        if name not in REPORTS:
            raise HTTPException(404, f"no such report; there are {', '.join(REPORTS)}")
        if REPORTS[name].of_persons:
            _require_names()
        query = read_query(name, request.query_params.multi_items())
        takes = REPORTS[name].takes
        only: Everything = takes(**{field: getattr(query, field) for field in takes.__struct_fields__})
        cut = Slice(query.sort or "", query.limit + 1, query.offset)
        rows = await self._queries.report(Asked(site, name, only, cut))
        following = None
        if len(rows) > query.limit:
            changed = {"limit": str(query.limit), "offset": str(query.offset + query.limit)}
            kept = [one for one in request.query_params.multi_items() if one[0] not in changed]
            following = f"{PREFIX}/sites/{quote(site)}/reports/{name}?{urlencode([*kept, *changed.items()])}"
        shown = rows[: query.limit]
        _show(request, f"api/{name}", site, len(shown))
        return _json({"site": site, "report": name, "rows": [msgspec.Raw(row) for row in shown], "next": following})

    async def person(self, request: Request) -> Response:
        """Give one person."""
        site, account = self._site(request), request.path_params["account_id"]
        _no_parameters(request)
        _require_names()
        person = await self._queries.person(site, account) if len(account) <= LONGEST_ACCOUNT else None
        if person is None:
            raise HTTPException(404, "no account of this site has that id")
        _show(request, "api/person", site, 1)
        return _json(_of_person(site, person))

    async def health(self, request: Request) -> Response:
        """Give how the pipeline of a site does."""
        site = self._site(request)
        _no_parameters(request)
        health = await self._queries.health(site)
        _show(request, "api/health", site, 0)
        return _json(_of_health(site, health, [notice.text for notice in self._notices()]))

    def _site(self, request: Request) -> str:
        site: str = request.path_params["site"]
        if site not in self._settings.sites:
            raise HTTPException(404, f"no such site; there are {', '.join(self._settings.sites)}")
        return site


def _of_person(site: str, person: Person) -> Row:
    """Return a person as a `PersonAnswer`."""
    days = [
        {"day": day, **{name: name in families for name in FAMILIES}} for day, families in sorted(person.active.items())
    ]
    known = {"today": person.today, "known_since": person.known_since}
    return {"site": site, **person.account, **known, "days": days, "seats": person.seats}


def _of_run(began: int, missing: Sequence[str]) -> Row:
    return {"began": moment_of(began), "missing": list(missing)}


def _of_health(site: str, health: Health, notices: Sequence[str]) -> Row:
    """Return how the pipeline of a site does as a `HealthAnswer`."""
    state, runs = health.state, health.runs
    last, interrupted = runs.last, runs.interrupted
    refused = [
        {
            **{name: getattr(one, name) for name in ("site", "reason", "count", "last")},
            **{name: getattr(one.meaning, name) for name in ("cause", "remedy", "lost")},
        }
        for one in health.refused
    ]
    return {
        "site": site,
        "now": health.now,
        "troubles": health.troubles,
        "unknowns": health.unknowns,
        "notices": list(notices),
        "last_webhook": health.last_webhook,
        "records_waiting": None if state.log_trouble else state.waiting,
        "log_bytes": None if state.log_trouble else state.log_bytes,
        "consumers_run": None if state.consumer_trouble is None else not state.consumer_trouble,
        "share": health.share,
        "line": health.line,
        "coverage": health.coverage,
        "refused": refused,
        "dead_letters": [asdict(one) for one in health.letters],
        "runs_known": runs.known,
        "last_run": _of_run(last.began, last.missing) if last else None,
        "interrupted_run": _of_run(interrupted.started_at, interrupted.missing) if interrupted else None,
        "next_run_at": runs.next_at,
        "readings": health.snapshots,
        "parts": health.parts,
    }


def _require_names() -> None:
    if role_now() is not Role.NAMES:
        raise HTTPException(403, OF_PERSONS)


def _no_parameters(request: Request) -> None:
    for name in request.query_params:
        raise InvalidParameterError(f"{name[:50]}: no such parameter; there is none")


def _show(request: Request, what: str, site: str, rows: int) -> None:
    """Note for the audit what is shown."""
    setattr(request.state, ROWS_SHOWN, rows)
    setattr(request.state, SHOWN, (what, site))


def _json(value: Any) -> Response:
    return Response(JSON.encode(_written(value)), media_type="application/json")


def _written(value: Any) -> Any:
    """Return a value with all moments and days in it written as the command writes them."""
    if isinstance(value, Mapping):
        return {name: _written(one) for name, one in value.items()}
    return [_written(one) for one in value] if isinstance(value, list | tuple) else written(value)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls it with no other
    return problem(error.status_code, error.detail, error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return problem(503, plain(error), {"retry-after": str(_RETRY_SECONDS)})


async def _invalid(_: Request, error: Exception) -> Response:
    return problem(400, plain(error))
