"""What the API takes and answers, declared once: by this requests are checked, and the description is written from it.

The description is OpenAPI 3.1, made of the structs that declare the reports, and of those here; there is no other copy.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from console.reports import REPORTS, AccountRow, Declaration
from console.web.access import COOKIE, Problem
from console.web.people import LONGEST_ACCOUNT
from rollcall import __version__
from rollcall.warehouse.seats import Moment, SeatRow

PREFIX = "/api/v1"
MOST_ROWS, USUAL_ROWS, _FARTHEST = 10_000, 1000, 100_000_000

# ---- Answers ----


class SiteAnswer(Struct, kw_only=True):
    """A Jira site of the settings, with its reporting time zone."""

    name: str
    timezone: str


class SitesAnswer(Struct, kw_only=True):
    """The sites of the settings."""

    sites: list[SiteAnswer]


class ActiveDay(Struct, kw_only=True):
    """A day on which somebody did something, and what."""

    day: date
    comment: bool
    history: bool
    worklog: bool


class PersonAnswer(AccountRow, kw_only=True):
    """An account with the last year of its active days and its seats, as the API gives it."""

    roles: list[str]
    last_active_at: Moment | None
    today: date
    known_since: date | None
    days: list[ActiveDay]
    seats: list[SeatRow]


class CoverageDay(Struct, kw_only=True):
    """Of a day's facts that Jira's REST API knows, how many a webhook had brought."""

    day: date
    known: int
    by_webhook: int
    share: float | None


class RefusedPosts(Struct, kw_only=True):
    """Posts to the site, or to none, refused for one reason since the process that takes them began."""

    site: str
    reason: str
    count: int
    last: Moment
    cause: str
    remedy: str
    lost: bool


class OpenLetters(Struct, kw_only=True):
    """The open dead letters of one reason."""

    reason: str
    origin: str
    count: int
    newest: Moment


class Reading(Struct, kw_only=True):
    """A reading of the directory, and the parts that it lacks."""

    began: Moment
    ended: Moment
    lacks: list[str]


class PartAge(Struct, kw_only=True):
    """A part of the directory, and the time it is of."""

    part: str
    at: Moment


class RunAnswer(Struct, kw_only=True):
    """A run, and what it could not read."""

    began: Moment
    missing: list[str]


class HealthAnswer(Struct, kw_only=True):
    """How the pipeline of a site does, as the API gives it.

    What is null is not known: without consumers in this process whether they run, without a folder of checkpoints the
    runs.
    """

    site: str
    now: Moment
    troubles: list[str]
    unknowns: list[str]
    notices: list[str]
    last_webhook: Moment | None
    records_waiting: int | None
    log_bytes: int | None
    consumers_run: bool | None
    share: float | None
    line: float
    coverage: list[CoverageDay]
    refused: list[RefusedPosts]
    dead_letters: list[OpenLetters]
    runs_known: bool
    last_run: RunAnswer | None
    interrupted_run: RunAnswer | None
    next_run_at: Moment | None
    readings: list[Reading]
    parts: list[PartAge]


# ---- Reports: what they take beside what narrows them, and their answers ----

_Limit = Annotated[
    int, Meta(ge=1, le=MOST_ROWS, description="The most rows of one answer; `next` leads to the others.")
]
_Offset = Annotated[int, Meta(ge=0, le=_FARTHEST, description="How many rows to pass over.")]
_SORT = "Order by this column; with - before it, the greatest first. Null is last. Without it the report's own order."


def _struct(name: str, doc: str, fields: Sequence[Any], **options: Any) -> type[Struct]:
    return msgspec.defstruct(name, fields, namespace={"__doc__": doc}, kw_only=True, module=__name__, **options)


def _query(name: str, report: Declaration) -> type[Struct]:
    """Return what a report takes as parameters: what narrows it, its order and its part."""
    columns = report.row.__struct_fields__
    sort = Literal[(*columns, *(f"-{column}" for column in columns))]  # type: ignore[valid-type]  # made here
    fields = [
        ("sort", Annotated[sort | UnsetType, Meta(description=_SORT)], UNSET),
        ("limit", _Limit, USUAL_ROWS),
        ("offset", _Offset, 0),
    ]
    return _struct(f"{name}_query", "", fields, bases=(report.takes,), frozen=True, forbid_unknown_fields=True)


def _answer(name: str, report: Declaration) -> type[Struct]:
    following = Annotated[str | None, Meta(description="Address of the rows that follow; null where none do.")]
    row = report.row
    fields = [("site", str), ("report", Literal[name]), ("rows", list[row]), ("next", following)]  # type: ignore[valid-type]  # made here
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


# ---- The description ----

_PROBLEMS = {
    400: "A parameter that there is not, or a value that it does not have.",
    401: "No password, or a wrong one.",
    403: "It is of persons and the password shows figures only; or no password is set, or this came from elsewhere.",
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
