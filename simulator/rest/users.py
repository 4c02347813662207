"""Who there is and who takes a seat: the caller, users, groups and their members, application roles and licenses."""

from typing import Any

from simulator.company.directory import PRODUCTS, Directory, Group
from simulator.company.person import CALLER, Person
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError, not_found
from simulator.rest.rest_serializer import RestSerializer


def myself(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /myself; its timeZone is the one in which Jira reads JQL."""
    return _expanded(call, serializer, call.site.directory.people[CALLER])


def all_users(call: ApiCall, serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer GET /users/search and /users: a bare array; pages are short where accounts were removed."""
    start, size = call.number("startAt", 0), call.number("maxResults", 50, 1_000)
    removed, unlisted = call.site.directory.removed, call.site.faults.unlisted_users
    page = call.site.directory.people[start : start + size]
    return [
        serializer.user(person.index)
        for person in page
        if person.index not in removed and person.account_id not in unlisted
    ]


def user(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /user: groups and products only when expanded."""
    return _expanded(call, serializer, _account(call))


def user_bulk(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /user/bulk: a page of the accounts named; unknown ones are left out."""
    named = call.query.getlist("accountId")
    if not named:
        raise JiraError(400, "The accountId query parameter must be provided.")
    start, size = call.number("startAt", 0), call.number("maxResults", 10, 200, 1)
    found = [person for name in named if (person := call.site.directory.find(name))]
    page = [serializer.user(person.index) for person in found[start : start + size]]
    frame = {"self": f"{serializer.base}/user/bulk", "maxResults": size, "startAt": start, "total": len(found)}
    return {**frame, "isLast": start + size >= len(found), "values": page}


def user_groups(call: ApiCall, serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer GET /user/groups."""
    return [_group(group, serializer) for group in _groups_of(call.site.directory, _account(call))]


def group_bulk(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /group/bulk: groups by id, name, product or kind of access."""
    query = call.query
    ids, names = query.getlist("groupId"), query.getlist("groupName")
    access, product = query.get("accessType"), query.get("applicationKey")
    if access not in (None, "site-admin", "admin", "user"):
        raise JiraError(400, "The accessType is invalid.")
    found = [
        group
        for group in call.site.directory.groups.values()
        if (not ids or group.id in ids)
        and (not names or group.name in names)
        and (access is None or group.access == access)
        and (product is None or product in group.products)
    ]
    start, size = call.number("startAt", 0), call.number("maxResults", 50, least=1)
    page = [{"name": group.name, "groupId": group.id} for group in found[start : start + size]]
    frame = {"self": f"{serializer.base}/group/bulk", "maxResults": size, "startAt": start, "total": len(found)}
    return {**frame, "isLast": start + size >= len(found), "values": page}


def group_member(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /group/member: at most 50; inactive members only on request."""
    name = call.query.get("groupId") or call.query.get("groupname")
    if not name:
        raise JiraError(400, "Either groupId or groupname must be provided.")
    group = call.site.directory.group(name)
    if group is None:
        raise not_found(f"The group '{name}' does not exist.")
    inactive = call.query.get("includeInactiveUsers", "false") == "true"
    found = call.site.directory.members(group, call.site.clock.now(), inactive=inactive)
    start, size = call.number("startAt", 0), call.number("maxResults", 50, 50, 1)
    link = f"{serializer.base}/group/member?groupId={group.id}&includeInactiveUsers={str(inactive).lower()}"
    page = [serializer.user(person.index) for person in found[start : start + size]]
    last = start + size >= len(found)
    answer = {"self": f"{link}&maxResults={size}&startAt={start}", "maxResults": size, "startAt": start}
    answer |= {"total": len(found), "isLast": last, "values": page}
    return answer if last else answer | {"nextPage": f"{link}&maxResults={size}&startAt={start + size}"}


def _account(call: ApiCall) -> Person:
    account_id = call.query.get("accountId")
    if not account_id:
        raise JiraError(400, "The accountId query parameter must be provided.")
    found = call.site.directory.find(account_id)
    if found is None:
        raise not_found(f"Specified user does not exist or you do not have required permissions: {account_id}")
    return found


def _groups_of(directory: Directory, person: Person) -> list[Group]:
    return [group for group in directory.groups.values() if person.index in group.members]


def _group(group: Group, serializer: RestSerializer) -> dict[str, Any]:
    return {"name": group.name, "groupId": group.id, "self": f"{serializer.base}/group?groupId={group.id}"}


def _expanded(call: ApiCall, serializer: RestSerializer, person: Person) -> dict[str, Any]:
    """Write a user whose groups and products are wrappers, filled only when asked for."""
    directory = call.site.directory
    mine = _groups_of(directory, person)
    products = {
        product for group in mine for product in group.products if directory.active(person, call.site.clock.now())
    }
    expand = call.listed("expand")
    groups = [_group(group, serializer) for group in mine] if "groups" in expand else []
    roles = [{"key": key, "name": key} for key in sorted(products)] if "applicationRoles" in expand else []
    written = serializer.user(person.index) | {"locale": "en_US", "expand": "groups,applicationRoles"}
    return written | {
        "groups": {"size": len(mine), "items": groups},
        "applicationRoles": {"size": len(products), "items": roles},
    }


def application_roles(call: ApiCall, serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer GET /applicationrole."""
    unlisted = call.site.faults.unlisted_products
    return [_role(call, serializer, product) for product in PRODUCTS if product not in unlisted]


def application_role(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /applicationrole/{key}."""
    if call.path["key"] not in PRODUCTS:
        raise not_found(f"Application with key '{call.path['key']}' does not exist.")
    return _role(call, serializer, call.path["key"])


def approximate_count(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /license/approximateLicenseCount: a string."""
    now, directory = call.site.clock.now(), call.site.directory
    used = {person.index for product in PRODUCTS for person in directory.holders(product, now)}
    return {"key": "license.totalApproximateUserCount", "value": str(len(used))}


def approximate_product_count(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /license/approximateLicenseCount/product/{key}."""
    product = call.path["key"]
    used = len(call.site.directory.holders(product, call.site.clock.now())) if product in PRODUCTS else 0
    return {"key": f"license.{product}.approximateUserCount", "value": str(used)}


def instance_license(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /instance/license."""
    plan = "FREE" if call.site.faults.free_plan else "PAID"
    return {"applications": [{"id": product, "plan": plan} for product in PRODUCTS]}


def _role(call: ApiCall, serializer: RestSerializer, product: str) -> dict[str, Any]:
    directory, now = call.site.directory, call.site.clock.now()
    used, seats = len(directory.holders(product, now)), directory.seats(product, now)
    opening = [group for group in directory.groups.values() if product in group.products]
    details = [
        {"name": group.name, "groupId": group.id, "self": f"{serializer.base}/group?groupId={group.id}"}
        for group in opening
    ]
    return {
        "key": product,
        "name": PRODUCTS[product],
        "groups": [group.name for group in opening],
        "groupDetails": details,
        "defaultGroups": [opening[0].name] if opening else [],
        "defaultGroupsDetails": details[:1],
        "selectedByDefault": product == "jira-software",
        "defined": False,
        "numberOfSeats": seats,
        "remainingSeats": seats - used,
        "userCount": used,
        "userCountDescription": f"{used} users",
        "hasUnlimitedSeats": False,
        "platform": product == "jira-core",
    }
