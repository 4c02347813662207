"""Faults: what makes another answer of the right one, for one endpoint or for all, and what such a fault may cost."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from reconcile.run import RunOptions
from reconcile.state.checkpoint import Part

from .in_process import WEEK, Fault, endpoint_of, json_of, with_body

MYSELF, SERVER_INFO = "GET /myself", "GET /serverInfo"
SEARCH, IDS, CHANGELOGS = "POST /search/jql", "POST /search/jql (ids only)", "POST /changelog/bulkfetch"
COMMENTS, WORKLOGS = "GET /issue/{}/comment", "POST /worklog/list"
UPDATED, DELETED = "GET /worklog/updated", "GET /worklog/deleted"
USERS, PRODUCTS, GROUPS, MEMBERS = "GET /users/search", "GET /applicationrole", "GET /group/bulk", "GET /group/member"
PROJECTS, ROLES, ROLE = "GET /project/search", "GET /project/{}/role", "GET /project/{}/role/{}"
LISTS = ("issues", "issueChangeLogs", "comments", "values")

Body = Callable[[Any], Any]


def at(endpoint: str, answer: Callable[[httpx.Response], httpx.Response | Exception]) -> Fault:
    """Let one endpoint answer otherwise."""
    return lambda request, given: answer(given) if endpoint_of(request) == endpoint else given


def everywhere(answer: Callable[[httpx.Response], httpx.Response | Exception]) -> Fault:
    return lambda _, given: answer(given)


def status(code: int, content: bytes = b"<html>", **headers: str) -> Callable[[httpx.Response], httpx.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(code, headers=named, content=content)


def content(given: bytes, **headers: str) -> Callable[[httpx.Response], httpx.Response]:
    return status(200, given, **headers)


def body(change: Body) -> Callable[[httpx.Response], httpx.Response]:
    """Change the JSON of an answer; one that is none, by another fault, stays as it is."""

    def changed(given: httpx.Response) -> httpx.Response:
        try:
            found = json_of(given)
        except ValueError:
            return given
        return with_body(given, change(found))

    return changed


def listed(change: Callable[[list[Any]], Any]) -> Callable[[httpx.Response], httpx.Response]:
    """Change the list of an answer, unless another fault left none."""

    def changed(given: Any) -> Any:
        if isinstance(given, list):
            return change(given)
        if not isinstance(given, dict):
            return given
        return {name: change(one) if name in LISTS and isinstance(one, list) else one for name, one in given.items()}

    return body(changed)


def without(*names: str) -> Callable[[httpx.Response], httpx.Response]:
    """Leave out members of an answer's object."""

    def changed(given: Any) -> Any:
        return {name: one for name, one in given.items() if name not in names} if isinstance(given, dict) else given

    return body(changed)


def values(change: Callable[[str, Any], Any]) -> Callable[[httpx.Response], httpx.Response]:
    """Change every single value, by its name."""

    def walked(given: Any, name: str = "") -> Any:
        if isinstance(given, dict):
            return {key: walked(one, key) for key, one in given.items()}
        return [walked(one, name) for one in given] if isinstance(given, list) else change(name, given)

    return body(walked)


def dropped(*names: str) -> Callable[[httpx.Response], httpx.Response]:
    """Leave out members of every object."""

    def walked(given: Any) -> Any:
        if isinstance(given, dict):
            return {name: walked(one) for name, one in given.items() if name not in names}
        return [walked(one) for one in given] if isinstance(given, list) else given

    return body(walked)


def nulled(*names: str) -> Callable[[httpx.Response], httpx.Response]:
    """Have null for members of every object."""

    def walked(given: Any) -> Any:
        if isinstance(given, dict):
            return {name: None if name in names else walked(one) for name, one in given.items()}
        return [walked(one) for one in given] if isinstance(given, list) else given

    return body(walked)


def times(change: Callable[[str], str]) -> Callable[[httpx.Response], httpx.Response]:
    """Write every ISO moment otherwise."""
    return values(lambda _, one: change(one) if isinstance(one, str) and one[10:11] == "T" else one)


def first(many: int, fault: Fault) -> Fault:
    """Let every endpoint fail so often before it answers well."""
    asked = Counter[str]()

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        asked[endpoint_of(request)] += 1
        return fault(request, given) if asked[endpoint_of(request)] <= many else given

    return change


def later(number: int, fault: Fault, endpoint: str = "") -> Fault:
    """Let all go well until so many requests, of one endpoint or of all, were answered."""
    asked = itertools.count()

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        if endpoint and endpoint_of(request) != endpoint:
            return given
        return fault(request, given) if next(asked) >= number else given

    return change


@dataclass(frozen=True)
class Case:
    """A fault, made anew for each run, what it may cost, and what is said of it.

    Attributes:
        name: Its name.
        fault: Makes it.
        words: What is said of it, as a pattern.
        loses: Families of facts that may be lost, and parts of the directory that may.
        code: The exit code.
        most: Requests at most.
        endpoint: The one that is at fault, if it is one.
    """

    name: str
    fault: Callable[[], Fault]
    words: str = ""
    loses: set[str] = field(default_factory=set)
    code: int = 3
    most: int = 250
    endpoint: str = ""

    @property
    def options(self) -> RunOptions:
        """What to read: where one endpoint is at fault, the half of a run that asks it."""
        part: tuple[Part, ...] = ("activity",) if self.endpoint in (IDS, *FACTS) else ("directory",)
        return RunOptions(WEEK, part if self.endpoint else ("directory", "activity"))


ERROR = b'{"errorMessages": ["Something is off"], "errors": {}}'
ALL = {"history", "comment", "worklog"}
FACTS = {
    SEARCH: {"history"},
    CHANGELOGS: ALL,
    COMMENTS: {"comment"},
    UPDATED: {"worklog"},
    DELETED: {"worklog"},
    WORKLOGS: {"worklog"},
}
FIGURES = ("total", "maxResults", "startAt", "userCount", "numberOfSeats", "until", "worklogId")
ODD: tuple[Any, ...] = (1, "x", None, [], {})
NOT_ALLOWED = b"The IP address has been rejected because it is not on the allowed list"
PAGES = (SEARCH, IDS, CHANGELOGS, COMMENTS, UPDATED, DELETED, GROUPS, MEMBERS, PROJECTS)
NO_JSON = "no JSON, or cut short"


def costs(endpoint: str) -> set[str]:
    """The families of facts that an endpoint's failure may cost."""
    return FACTS.get(endpoint, set())


def cycle_of_two() -> Fault:
    """Give two pages of a search in turns, under two tokens."""
    pages: list[httpx.Response] = []

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response:
        if endpoint_of(request) != SEARCH or b"id in (" in request.content:
            return given
        if len(pages) < 2:
            pages.append(with_body(given, {**json_of(given), "nextPageToken": f"t{len(pages)}", "isLast": False}))
            return pages[-1] if json_of(given).get("nextPageToken") else pages[0]
        pages.reverse()
        return pages[0]

    return change


def cut_at(most: int) -> Fault:
    """End every search after so many issues, as if that were all."""

    def cut(found: Any) -> Any:
        issues = found.get("issues") if isinstance(found, dict) else None
        return {"issues": issues[:most], "isLast": True} if isinstance(issues, list) else found

    cutting = body(cut)
    return lambda request, given: cutting(given) if request.url.path.endswith("/search/jql") else given


def only_of(number: int) -> Fault:
    """Let /worklog/list give no more than so many, the first ones."""
    return at(WORKLOGS, listed(lambda found: found[:number]))


def left_out_and_by_key(code: int) -> Fault:
    """Leave the first product out of the list, and answer so where it is asked for by its key."""

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        if endpoint_of(request).startswith(f"{PRODUCTS}/"):
            return status(code)(given)
        return at(PRODUCTS, listed(lambda found: found[1:]))(request, given)

    return change


def never_gives(endpoint: str, name: str) -> Fault:
    """Leave the same element out of every answer."""
    left_out: set[Any] = set()

    def change(found: list[Any]) -> list[Any]:
        named = [one for one in found if isinstance(one, dict) and name in one]
        if not left_out and named:
            left_out.add(named[0][name])
        return [one for one in found if one not in named or one[name] not in left_out]

    return at(endpoint, listed(change))


def kept(issue: Any, entries: slice) -> Any:
    """An issue of changelog/bulkfetch with these of its entries alone."""
    return {**issue, "changeHistories": issue["changeHistories"][entries]}


def zone(name: Any) -> Fault:
    return at(MYSELF, body(lambda found: {**found, "timeZone": name}))


def sets_cookies() -> Fault:
    """Answer as to nobody once a cookie comes back that every answer sets."""

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response:
        if "cookie" in request.headers:
            return with_body(given, [] if given.content.startswith(b"[") else {"values": [], "issues": []})
        return with_body(given, given.content, **{"set-cookie": "JSESSIONID=dead; Path=/"})

    return change


def text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, int) else value
