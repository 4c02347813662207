"""The server, permissions and the audit log."""

from typing import Any

from simulator.clock import jira_time
from simulator.company.person import CALLER
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError
from simulator.rest.rest_serializer import RestSerializer

_GLOBAL = {"ADMINISTER", "USER_PICKER"}
_NAMES = {
    "ADMINISTER": "Administer Jira",
    "USER_PICKER": "Browse users and groups",
    "BROWSE_PROJECTS": "Browse Projects",
    "ADMINISTER_PROJECTS": "Administer Projects",
}


def server_info(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /serverInfo: the site's clock, even to anonymous callers."""
    return {
        "baseUrl": f"https://{call.site.config.host}",
        "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0],
        "deploymentType": "Cloud",
        "buildNumber": 100_300,
        "buildDate": serializer.time(call.site.config.start_ms),
        "serverTime": serializer.time(call.site.clock.now()),
        "scmInfo": "0" * 40,
        "serverTitle": "Jira",
        "serverTimeZone": call.site.config.site_zone,
    }


def my_permissions(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /mypermissions: the parameter is required."""
    asked = call.listed("permissions")
    if not asked:
        raise JiraError(400, "The 'permissions' query parameter is required.")
    unknown = [key for key in asked if key not in _NAMES]
    if unknown:
        raise JiraError(400, f"Unrecognized permission: {unknown[0]}")
    held = call.site.faults.permissions if call.signed_in else []
    return {
        "permissions": {
            key: {
                "id": str(place),
                "key": key,
                "name": _NAMES[key],
                "type": "GLOBAL" if key in _GLOBAL else "PROJECT",
                "description": _NAMES[key],
                "havePermission": key in held,
            }
            for place, key in enumerate(asked)
        }
    }


def check_permissions(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST /permissions/check: only what is granted."""
    body = call.body if isinstance(call.body, dict) else {}
    directory = call.site.directory
    account = body.get("accountId")
    person = directory.find(account) if account else directory.people[CALLER]
    if person is None:
        raise JiraError(400, "The account does not exist.")
    held = set(call.site.faults.permissions) if person.index == CALLER else _held(call, person.index)
    if person.index != CALLER and "ADMINISTER" not in call.site.faults.permissions:
        raise JiraError(403, "You need Administer Jira to check the permissions of others.")
    granted = []
    for requested in body.get("projectPermissions") or []:
        for key in requested.get("permissions") or []:
            projects = [number for number in requested.get("projects") or [] if key in held]
            issues = [
                number for number in requested.get("issues") or [] if key in held and call.site.issue(str(number))
            ]
            if projects or issues:
                granted.append({"permission": key, "projects": projects, "issues": issues})
    asked = body.get("globalPermissions") or []
    return {"globalPermissions": [key for key in asked if key in held], "projectPermissions": granted}


def audit_records(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /auditing/record: administrative acts only; ``total`` ignores the filter, as Jira's does.

    Raises:
        JiraError: 403, every product is on a free plan.
    """
    if call.site.faults.free_plan:
        raise JiraError(403, "The audit log is not available on the free plan.")
    config, directory = call.site.config, call.site.directory
    records = [
        {
            "id": 10_000 + person.index,
            "summary": "User added to group",
            "remoteAddress": "192.0.2.1",
            "authorKey": directory.people[CALLER].account_id,
            "created": jira_time("UTC", config.start_ms + person.index * 1_000),
            "category": "group management",
            "eventSource": "",
            "objectItem": {"name": "everybody", "typeName": "GROUP"},
            "associatedItems": [{"id": person.account_id, "name": person.account_id, "typeName": "USER"}],
        }
        for person in reversed(directory.listed())
    ]
    matching = [record for record in records if call.query.get("filter", "") in str(record["summary"])]
    start, size = call.number("offset", 0), call.number("limit", 1_000, 1_000)
    return {"offset": start, "limit": size, "total": len(records), "records": matching[start : start + size]}


def _held(call: ApiCall, index: int) -> set[str]:
    access = {group.access for group in call.site.directory.groups.values() if index in group.members}
    admins = {"ADMINISTER", "ADMINISTER_PROJECTS"} if access & {"admin", "site-admin"} else set()
    return {"BROWSE_PROJECTS", "USER_PICKER"} | admins
