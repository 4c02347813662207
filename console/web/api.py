"""The JSON API, ``/api/v1``: sites, every report of the command, a person, health; and the description of itself.

What is asked for is checked by the structs that declare the reports, and the description (OpenAPI 3.1) is written from
them and from those of the answers: there is no other copy. Rows are those of the command, and come by the same queries.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.reports import REPORTS, Asked, Declaration, Everything
from console.row_format import JSON
from console.row_format import plain as written
from console.web.access import COOKIE, ROWS_SHOWN, SHOWN, Problem, problem
from console.web.overview import Page, plain
from console.web.people import LONGEST_ACCOUNT, PersonAnswer
from console.web.pipeline_health import HealthAnswer
from console.web.queries import PageQueries
from rollcall import __version__
from rollcall.errors import RollcallError
from rollcall.warehouse import Window

PREFIX = "/api/v1"
MOST_ROWS, USUAL_ROWS, _FARTHEST = 10_000, 1000, 100_000_000
_RETRY_SECONDS = 10

_Limit = Annotated[
    int, Meta(ge=1, le=MOST_ROWS, description="The most rows of one answer; `next` leads to the others.")
]
_Offset = Annotated[int, Meta(ge=0, le=_FARTHEST, description="How many rows to pass over.")]
_SORT = "Order by this column; with - before it, the greatest first. Null is last. Without it the report's own order."


class SiteAnswer(Struct, kw_only=True):
    """A Jira site of the settings, with its reporting time zone."""

    name: str
    timezone: str


class SitesAnswer(Struct, kw_only=True):
    """The sites of the settings."""

    sites: list[SiteAnswer]


def _struct(name: str, doc: str, fields: Sequence[Any], **options: Any) -> type[Struct]:
    return msgspec.defstruct(name, fields, namespace={"__doc__": doc}, kw_only=True, module=__name__, **options)


def _query(name: str, report: Declaration) -> type[Struct]:
    """Return what a report takes as parameters: what narrows it, its order and its part."""
    columns = report.row.__struct_fields__
    sort = Literal[(*columns, *(f"-{column}" for column in columns))]  # type: ignore[valid-type]
    fields = [
        ("sort", Annotated[sort | UnsetType, Meta(description=_SORT)], UNSET),
        ("limit", _Limit, USUAL_ROWS),
        ("offset", _Offset, 0),
    ]
    return _struct(f"{name}_query", "", fields, bases=(report.takes,), frozen=True, forbid_unknown_fields=True)


def _answer(name: str, report: Declaration) -> type[Struct]:
    following = Annotated[str | None, Meta(description="Address of the rows that follow; null where none do.")]
    row = report.row
    fields = [("site", str), ("report", Literal[name]), ("rows", list[row]), ("next", following)]  # type: ignore[valid-type]
    return _struct(f"{name.capitalize()}Answer", f"Rows of the report {name}.", fields)


_QUERIES = {name: _query(name, report) for name, report in REPORTS.items()}
_ANSWERS = {name: _answer(name, report) for name, report in REPORTS.items()}


class InvalidParameterError(Exception):
    """A request has a parameter that there is not, or that has no such value; the text says so."""


def read_query(report: str, given: Sequence[tuple[str, str]]) -> Any:
    """Read what a report is asked for from an address's parameters.

    Raises:
        InvalidParameterError: One of them means nothing.
    """
    kind = _QUERIES[report]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in fields:
            raise InvalidParameterError(f"{name[:50]}: no such parameter; there are {', '.join(fields)}")
        if isinstance(fields[name].default, tuple):
            values.setdefault(name, []).append(text)
        elif name in values:
            raise InvalidParameterError(f"{name}: given more than once")
        else:
            values[name] = text
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `$.")
        name = re.split(r"\W", where)[0]
        raise InvalidParameterError(f"{name}: {what[:1].lower()}{what[1:]}") from None


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
        query = read_query(name, request.query_params.multi_items())
        takes = REPORTS[name].takes
        only: Everything = takes(**{field: getattr(query, field) for field in takes.__struct_fields__})
        window = Window(query.sort or "", query.limit + 1, query.offset)
        rows = await self._queries.report(Asked(site, name, only, window))
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
        person = await self._queries.person(site, account) if len(account) <= LONGEST_ACCOUNT else None
        if person is None:
            raise HTTPException(404, "no account of this site has that id")
        _show(request, "api/person", site, 1)
        return _json(person.answer(site))

    async def health(self, request: Request) -> Response:
        """Give how the pipeline of a site does."""
        site = self._site(request)
        _no_parameters(request)
        health = await self._queries.health(site)
        _show(request, "api/health", site, 0)
        return _json(health.answer(site, [notice.text for notice in self._notices()]))

    def _site(self, request: Request) -> str:
        site: str = request.path_params["site"]
        if site not in self._settings.sites:
            raise HTTPException(404, f"no such site; there are {', '.join(self._settings.sites)}")
        return site


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
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem(error.status_code, error.detail, error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return problem(503, plain(error), {"retry-after": str(_RETRY_SECONDS)})


async def _invalid(_: Request, error: Exception) -> Response:
    return problem(400, plain(error))


# ---- The description ----

_PROBLEMS = {
    400: "A parameter that there is not, or a value that it does not have.",
    401: "No password, or a wrong one.",
    403: "Nobody may look here: no password is set, or this came from elsewhere.",
    404: "No such site, report or person.",
    429: "Too many wrong passwords; Retry-After says how long to wait.",
    503: "The warehouse cannot be asked just now; try again after Retry-After.",
}


def description(sites: Sequence[str]) -> dict[str, Any]:
    """Return the description of the API, OpenAPI 3.1.

    Args:
        sites: The sites of the settings.
    """
    answers = [SitesAnswer, PersonAnswer, HealthAnswer, Problem, *_ANSWERS.values()]
    kinds = [*answers, *_QUERIES.values()]
    made, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    refs = dict(zip(kinds, made, strict=True))
    queries = {name: schemas.pop(f"{name}_query") for name in REPORTS}
    site = _parameter("site", {"type": "string", "enum": list(sites)}, "path")
    account = _parameter("account_id", {"type": "string", "minLength": 1, "maxLength": LONGEST_ACCOUNT}, "path")

    def operation(name: str, told: str | None, answer: type[Struct], parameters: Sequence[Any]) -> dict[str, Any]:
        answered = {"200": _response("What was asked for.", "application/json", refs[answer])}
        for status, why in _PROBLEMS.items():
            answered[str(status)] = _response(why, "application/problem+json", refs[Problem])
        summary = " ".join((told or "").split("\n\n")[0].split())
        return {"get": {"operationId": name, "summary": summary, "parameters": parameters, "responses": answered}}

    here = f"{PREFIX}/sites/{{site}}"
    paths = {f"{PREFIX}/sites": operation("sites", SitesAnswer.__doc__, SitesAnswer, [])}
    for name, report in REPORTS.items():
        parameters = [site, *(_parameter(*one) for one in queries[name]["properties"].items())]
        paths[f"{here}/reports/{name}"] = operation(name, report.row.__doc__, _ANSWERS[name], parameters)
    paths[f"{here}/people/{{account_id}}"] = operation("person", PersonAnswer.__doc__, PersonAnswer, [site, account])
    paths[f"{here}/health"] = operation("health", HealthAnswer.__doc__, HealthAnswer, [site])
    ways = {
        "basic": {"type": "http", "scheme": "basic", "description": "The page's password, with any user name."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The page's password."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of who signed in at the page."},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rollcall", "version": __version__, "summary": "Who really uses Jira Cloud. Read-only."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": ways},
        "security": [{way: []} for way in ways],
    }


def _parameter(name: str, schema: Mapping[str, Any], place: str = "query") -> dict[str, Any]:
    told = {"description": schema["description"]} if "description" in schema else {}
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": place, "required": place == "path", **told, "schema": rest}


def _response(told: str, media_type: str, schema: Any) -> dict[str, Any]:
    return {"description": told, "content": {media_type: {"schema": schema}}}
