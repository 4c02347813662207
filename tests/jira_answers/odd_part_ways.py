"""Parts of answers that have an odd form: what can be done without spoils nothing, and of a list it spoils itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from .faults import (
    CHANGELOGS,
    COMMENTS,
    GROUPS,
    MEMBERS,
    MYSELF,
    PRODUCTS,
    PROJECTS,
    ROLE,
    SEARCH,
    UPDATED,
    USERS,
    Case,
    at,
    body,
    dropped,
    listed,
    values,
)
from .in_process import Fault, endpoint_of

UNKNOWN = "they have an unknown form"


def given(**parts: Any) -> Callable[[httpx.Response], httpx.Response]:
    """Have other values for every single value of these names."""
    return values(lambda name, one: parts.get(name, one))


def first_with(**parts: Any) -> Callable[[httpx.Response], httpx.Response]:
    """Have other members for the first element of a list."""
    return listed(lambda found: [{**found[0], **parts}, *found[1:]] if found else found)


def actors(change: Callable[[list[Any]], Any]) -> Callable[[httpx.Response], httpx.Response]:
    return body(lambda found: {**found, "actors": change(found["actors"])})


def refused_from(offset: int, code: int) -> Fault:
    """Take no offset of users from there on."""
    answer = httpx.Response(code, content=b'{"errorMessages": ["startAt is too large"]}')

    def change(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        return answer if endpoint_of(request) == USERS and int(request.url.params["startAt"]) >= offset else response

    return change


ODD: dict[str, dict[str, Any]] = {
    SEARCH: {"isLast": "no"},
    COMMENTS: {"total": "many", "maxResults": {}, "startAt": "first"},
    UPDATED: {"until": "2026-10-01T00:00:00.000+0000", "lastPage": "perhaps", "nextPage": 7},
    MEMBERS: {"total": 1.5, "isLast": "perhaps", "displayName": {}, "active": "True"},
    GROUPS: {"name": 7, "total": []},
    PROJECTS: {"total": "three", "id": {}},
    PRODUCTS: {"numberOfSeats": "unlimited", "hasUnlimitedSeats": "maybe", "platform": 3.5},
    USERS: {"displayName": {"en": "x"}, "emailAddress": [], "active": "TRUE"},
    MYSELF: {"timeZone": 2},
}

ODD_PARTS = [
    # Figures, flags and names that something can be read without.
    *(
        Case(f"odd parts of {one}", partial(at, one, given(**parts)), code=0, endpoint=one)
        for one, parts in ODD.items()
    ),
    Case(
        "active in capitals",
        lambda: at(USERS, values(lambda name, one: str(one) if name == "active" else one)),
        code=0,
        endpoint=USERS,
    ),
    Case(
        "active as a number",
        lambda: at(USERS, values(lambda name, one: int(one) if name == "active" else one)),
        code=0,
        endpoint=USERS,
    ),
    # A token is no such part: without it the list would end.
    Case(
        "a token that is an object",
        lambda: at(CHANGELOGS, body(lambda found: {**found, "nextPageToken": {}})),
        "unknown form",
        {"history", "comment", "worklog"},
        endpoint=CHANGELOGS,
    ),
    # One product costs itself.
    Case(
        "a product that is null",
        lambda: at(PRODUCTS, listed(lambda found: [None, *found])),
        f"1 products: GET /applicationrole: {UNKNOWN}",
        endpoint=PRODUCTS,
    ),
    Case(
        "a product without a key",
        lambda: at(PRODUCTS, listed(lambda found: [*found, {"name": "New"}])),
        f"1 products: GET /applicationrole: {UNKNOWN}",
        endpoint=PRODUCTS,
    ),
    Case(
        "a product whose key is a number",
        lambda: at(PRODUCTS, first_with(key=5)),
        f"1 products: GET /applicationrole: {UNKNOWN}",
        endpoint=PRODUCTS,
    ),
    Case(
        "a product with a group that is null",
        lambda: at(PRODUCTS, first_with(groupDetails=[None])),
        "the licenses of jira-software: GET /applicationrole: Jira does not say which groups",
        endpoint=PRODUCTS,
    ),
    Case(
        "a new product without groups",
        lambda: at(PRODUCTS, listed(lambda found: [*found, {"key": "new"}])),
        "the licenses of new: GET /applicationrole: Jira does not say",
        endpoint=PRODUCTS,
    ),
    Case(
        "products of no known form at all",
        lambda: at(PRODUCTS, listed(lambda _: [1, None])),
        "Jira names products in an unknown form",
        endpoint=PRODUCTS,
    ),
    # Who holds a role.
    *(
        Case(
            f"who holds a role: {name}",
            partial(at, ROLE, actors(change)),
            "does not name a role, or who holds it",
            endpoint=ROLE,
        )
        for name, change in {
            "a team": lambda found: [{"type": "atlassian-team-role-actor", "actorTeam": {"id": "x"}}, *found],
            "null": lambda found: [None, *found],
            "no list": lambda _: None,
        }.items()
    ),
    Case(
        "who holds a role: nothing",
        lambda: at(ROLE, dropped("actors")),
        "does not name a role, or who holds it",
        endpoint=ROLE,
    ),
    # Lists of users.
    *(
        Case(
            f"an offset behind the end, {code}",
            partial(refused_from, 1, code),
            "users: the list ends where Jira refuses to go on",
            endpoint=USERS,
        )
        for code in (400, 404)
    ),
    Case(
        "a look beyond the end is refused",
        lambda: refused_from(500, 400),
        "users: the list ends where Jira refuses to go on",
        endpoint=USERS,
    ),
    Case(
        "users without a type",
        lambda: at(USERS, dropped("accountType")),
        r"users: GET /users/search does not say of \d+ accounts whether they are people",
        endpoint=USERS,
    ),
]
