"""Who there is: the caller, users, groups and their members."""

from typing import Any

from simulator.company.directory import Directory
from simulator.company.groups import Group
from simulator.company.people import CALLER
from simulator.company.person import Person
from simulator.rest.answer import JiraError, missing
from simulator.rest.ask import Ask
from simulator.rest.scribe import RestScribe


def myself(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /myself; its timeZone is the one in which Jira reads JQL."""
    return _expanded(ask, scribe, ask.site.directory.people[CALLER])


def all_users(ask: Ask, scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer GET /users/search and /users: a bare array; pages are short where accounts were removed."""
    start, size = ask.number("startAt", 0), ask.number("maxResults", 50, 1_000)
    removed = ask.site.directory.removed
    page = ask.site.directory.people[start : start + size]
    return [scribe.user(person.index) for person in page if person.index not in removed]


def user(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /user: groups and products only when expanded."""
    return _expanded(ask, scribe, _account(ask))


def user_bulk(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /user/bulk: a page of the accounts named; unknown ones are left out."""
    named = ask.query.getlist("accountId")
    if not named:
        raise JiraError(400, "The accountId query parameter must be provided.")
    start, size = ask.number("startAt", 0), ask.number("maxResults", 10, 200, 1)
    found = [person for name in named if (person := ask.site.directory.find(name))]
    page = [scribe.user(person.index) for person in found[start : start + size]]
    frame = {"self": f"{scribe.base}/user/bulk", "maxResults": size, "startAt": start, "total": len(found)}
    return {**frame, "isLast": start + size >= len(found), "values": page}


def user_groups(ask: Ask, scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer GET /user/groups."""
    return [_group(group, scribe) for group in _groups_of(ask.site.directory, _account(ask))]


def group_bulk(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /group/bulk: groups by id, name, product or kind of access."""
    query = ask.query
    ids, names = query.getlist("groupId"), query.getlist("groupName")
    access, product = query.get("accessType"), query.get("applicationKey")
    if access not in (None, "site-admin", "admin", "user"):
        raise JiraError(400, "The accessType is invalid.")
    found = [
        group
        for group in ask.site.directory.groups.values()
        if (not ids or group.id in ids)
        and (not names or group.name in names)
        and (access is None or group.access == access)
        and (product is None or product in group.products)
    ]
    start, size = ask.number("startAt", 0), ask.number("maxResults", 50, least=1)
    page = [{"name": group.name, "groupId": group.id} for group in found[start : start + size]]
    frame = {"self": f"{scribe.base}/group/bulk", "maxResults": size, "startAt": start, "total": len(found)}
    return {**frame, "isLast": start + size >= len(found), "values": page}


def group_member(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /group/member: at most 50; inactive members only on request."""
    name = ask.query.get("groupId") or ask.query.get("groupname")
    if not name:
        raise JiraError(400, "Either groupId or groupname must be provided.")
    group = ask.site.directory.group(name)
    if group is None:
        raise missing(f"The group '{name}' does not exist.")
    inactive = ask.query.get("includeInactiveUsers", "false") == "true"
    found = ask.site.directory.members(group, ask.site.clock.now(), inactive=inactive)
    start, size = ask.number("startAt", 0), ask.number("maxResults", 50, 50, 1)
    link = f"{scribe.base}/group/member?groupId={group.id}&includeInactiveUsers={str(inactive).lower()}"
    page = [scribe.user(person.index) for person in found[start : start + size]]
    last = start + size >= len(found)
    answer = {"self": f"{link}&maxResults={size}&startAt={start}", "maxResults": size, "startAt": start}
    answer |= {"total": len(found), "isLast": last, "values": page}
    return answer if last else answer | {"nextPage": f"{link}&maxResults={size}&startAt={start + size}"}


def _account(ask: Ask) -> Person:
    account_id = ask.query.get("accountId")
    if not account_id:
        raise JiraError(400, "The accountId query parameter must be provided.")
    found = ask.site.directory.find(account_id)
    if found is None:
        raise missing(f"Specified user does not exist or you do not have required permissions: {account_id}")
    return found


def _groups_of(directory: Directory, person: Person) -> list[Group]:
    return [group for group in directory.groups.values() if person.index in group.members]


def _group(group: Group, scribe: RestScribe) -> dict[str, Any]:
    return {"name": group.name, "groupId": group.id, "self": f"{scribe.base}/group?groupId={group.id}"}


def _expanded(ask: Ask, scribe: RestScribe, person: Person) -> dict[str, Any]:
    """Write a user whose groups and products are wrappers, filled only when asked for."""
    directory = ask.site.directory
    mine = _groups_of(directory, person)
    products = {
        product for group in mine for product in group.products if directory.active(person, ask.site.clock.now())
    }
    expand = ask.listed("expand")
    groups = [_group(group, scribe) for group in mine] if "groups" in expand else []
    roles = [{"key": key, "name": key} for key in sorted(products)] if "applicationRoles" in expand else []
    written = scribe.user(person.index) | {"locale": "en_US", "expand": "groups,applicationRoles"}
    return written | {
        "groups": {"size": len(mine), "items": groups},
        "applicationRoles": {"size": len(products), "items": roles},
    }
