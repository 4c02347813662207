"""Projects and who holds which role in them."""

from typing import Any

from simulator.company.directory import ROLES, role_actors
from simulator.company.project import Project
from simulator.hooks.serializer import project_json
from simulator.rest.call import ApiCall
from simulator.rest.response import not_found
from simulator.rest.rest_serializer import RestSerializer


def project_search(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /project/search: at most 100; archived ones where their status is asked for, nothing is deleted."""
    keys, status = call.listed("keys"), call.listed("status") or ["live"]
    archived = call.site.faults.archived
    found = [
        one
        for one in call.site.projects
        if (not keys or one.key in keys) and ("archived" if one.key in archived else "live") in status
    ]
    start, size = call.number("startAt", 0), call.number("maxResults", 50, 100, 1)
    link = f"{serializer.base}/project/search?maxResults={size}&startAt="
    last = start + size >= len(found)
    answer: dict[str, Any] = {"self": f"{link}{start}", "maxResults": size, "startAt": start, "total": len(found)}
    answer |= {"isLast": last, "values": [_project(one, serializer) for one in found[start : start + size]]}
    return answer if last else answer | {"nextPage": f"{link}{start + size}"}


def project_roles(call: ApiCall, serializer: RestSerializer) -> dict[str, str]:
    """Answer GET /project/{project}/role: names and links."""
    project = _named(call)
    return {name: f"{serializer.base}/project/{project.id}/role/{number}" for number, name in ROLES.items()}


def project_role(call: ApiCall, serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET /project/{project}/role/{id}: its actors, unpaged."""
    project = _named(call)
    number = int(call.path["id"]) if call.path["id"].isdigit() else 0
    if number not in ROLES:
        raise not_found("Can not retrieve a role actor for a null project role.")
    users, named = role_actors(call.site.config, project.index, number)
    directory = call.site.directory
    actors: list[dict[str, Any]] = []
    for index in users:
        person = directory.people[index]
        if index not in directory.removed:
            shown = serializer.user(index)["displayName"]
            actor = {"id": 10_000 + index, "displayName": shown, "type": "atlassian-user-role-actor"}
            actors.append(actor | {"actorUser": {"accountId": person.account_id}})
    for name in named:
        if group := directory.group(name):
            held = {"displayName": name, "name": name, "groupId": group.id}
            actor = {"id": 90_000 + len(actors), "displayName": name, "type": "atlassian-group-role-actor"}
            actors.append(actor | {"name": name, "actorGroup": held})
    return _role(number, f"{serializer.base}/project/{project.id}/role/{number}") | {"actors": actors}


def roles(_call: ApiCall, serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer GET /role: the roles every project has."""
    return [_role(number, f"{serializer.base}/role/{number}") for number in ROLES]


def _role(number: int, link: str) -> dict[str, Any]:
    return {"self": link, "name": ROLES[number], "id": number, "description": f"{ROLES[number]} of a project"}


def _project(project: Project, serializer: RestSerializer) -> dict[str, Any]:
    style = "next-gen" if project.simplified else "classic"
    more = {
        "style": style,
        "isPrivate": False,
        "properties": {},
        "expand": "description,lead,issueTypes,url,projectKeys",
    }
    return project_json(project, serializer.base) | more


def _named(call: ApiCall) -> Project:
    name = call.path["project"]
    for project in call.site.projects:
        if name in (project.key, str(project.id)):
            return project
    raise not_found(f"No project could be found with key '{name}'.")
