"""Atlassian's organization API, as far as it says who looked at what; asked with a key of its own, as Bearer."""

from typing import Any

from simulator.company.looks import added_at, cursor, entries_of, is_missing, moment, place_of
from simulator.company.person import Person
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError, not_found
from simulator.rest.rest_serializer import RestSerializer
from simulator.rest.site import ORGANIZATION

_MOST = 100
_EXPANDS = {"productAccess", "groups", "platformRoles", "counts.resources"}


def search_users(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /admin/v2/orgs/{org}/directories/-/users/search: at most 100 accounts, and a cursor.

    Accounts of every status, unless statuses are named; `emails` or `searchTerm`, not both (Atlassian).
    """
    body = call.body if isinstance(call.body, dict) else {}
    if call.path["org"] != ORGANIZATION:
        raise not_found("The organization does not exist.")
    if body.get("emails") and body.get("searchTerm"):
        raise JiraError(400, "searchTerm and emails are mutually exclusive.")
    limit = call.number("limit", 20, least=1)
    if limit > _MOST:
        raise JiraError(400, f"limit must be at most {_MOST}.")
    expand = call.listed("expand")
    if unknown := set(expand) - _EXPANDS:
        raise JiraError(400, f"Unknown expand: {min(unknown)}")
    try:
        start = place_of(body["cursor"]) if body.get("cursor") else 0
    except ValueError as error:
        raise JiraError(400, "The cursor is invalid.") from error
    site, now = call.site, call.site.clock.now()
    statuses = call.listed("accountStatus")
    found = [
        person
        for person in site.directory.listed()
        if person.account_type == "atlassian"
        and not is_missing(site.config, person)
        and (not statuses or _status(call, person) in statuses)
    ]
    page = found[start : start + limit]
    call.fail_if_broken("POST /admin/v2/orgs/{org}/directories/-/users/search", [one.index for one in page], limit)
    following = cursor(start + limit) if start + limit < len(found) else None
    return {
        "data": [_user(call, person, now, with_access="productAccess" in expand) for person in page],
        "links": {"self": cursor(start), "prev": None, "next": following},
    }


def _status(call: ApiCall, person: Person) -> str:
    directory, now = call.site.directory, call.site.clock.now()
    return "closed" if directory.erased(person, now) else "active" if directory.active(person, now) else "inactive"


def _user(call: ApiCall, person: Person, now: int, *, with_access: bool) -> dict[str, Any]:
    site = call.site
    status = _status(call, person)
    written: dict[str, Any] = {
        "accountId": person.account_id,
        "accountType": person.account_type,
        "accountStatus": status,
        "membershipStatus": "active" if status == "active" else "no_membership",
        "claimStatus": "managed" if person.index % 3 else "unmanaged",
        "addedToOrg": moment(added_at(site.config, person)),
        "name": person.name if status != "closed" else "Former user",
        "email": person.email if status != "closed" else None,
    }
    return written | ({"productAccess": entries_of(site.directory, site.cloud_id, person, now)} if with_access else {})
