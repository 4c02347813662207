"""Projects and who holds which role in them."""

from typing import Any

from simulator.company.groups import ROLES, role_actors
from simulator.company.projects import Project
from simulator.hooks.scribe import project_json
from simulator.rest.answer import missing
from simulator.rest.ask import Ask
from simulator.rest.scribe import RestScribe


def project_search(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /project/search: at most 100; nothing here is archived or deleted."""
    keys, status = ask.listed("keys"), ask.listed("status") or ["live"]
    found = [one for one in ask.site.projects if (not keys or one.key in keys) and "live" in status]
    start, size = ask.number("startAt", 0), ask.number("maxResults", 50, 100, 1)
    link = f"{scribe.base}/project/search?maxResults={size}&startAt="
    last = start + size >= len(found)
    answer: dict[str, Any] = {"self": f"{link}{start}", "maxResults": size, "startAt": start, "total": len(found)}
    answer |= {"isLast": last, "values": [_project(one, scribe) for one in found[start : start + size]]}
    return answer if last else answer | {"nextPage": f"{link}{start + size}"}


def project_roles(ask: Ask, scribe: RestScribe) -> dict[str, str]:
    """Answer GET /project/{project}/role: names and links."""
    project = _named(ask)
    return {name: f"{scribe.base}/project/{project.id}/role/{number}" for number, name in ROLES.items()}


def project_role(ask: Ask, scribe: RestScribe) -> dict[str, Any]:
    """Answer GET /project/{project}/role/{id}: its actors, unpaged."""
    project = _named(ask)
    number = int(ask.path["id"]) if ask.path["id"].isdigit() else 0
    if number not in ROLES:
        raise missing("Can not retrieve a role actor for a null project role.")
    users, named = role_actors(ask.site.config, project.index, number)
    directory = ask.site.directory
    actors: list[dict[str, Any]] = []
    for index in users:
        person = directory.people[index]
        if index not in directory.removed:
            shown = scribe.user(index)["displayName"]
            actor = {"id": 10_000 + index, "displayName": shown, "type": "atlassian-user-role-actor"}
            actors.append(actor | {"actorUser": {"accountId": person.account_id}})
    for name in named:
        if group := directory.group(name):
            held = {"displayName": name, "name": name, "groupId": group.id}
            actor = {"id": 90_000 + len(actors), "displayName": name, "type": "atlassian-group-role-actor"}
            actors.append(actor | {"name": name, "actorGroup": held})
    return _role(number, f"{scribe.base}/project/{project.id}/role/{number}") | {"actors": actors}


def roles(_ask: Ask, scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer GET /role: the roles every project has."""
    return [_role(number, f"{scribe.base}/role/{number}") for number in ROLES]


def _role(number: int, link: str) -> dict[str, Any]:
    return {"self": link, "name": ROLES[number], "id": number, "description": f"{ROLES[number]} of a project"}


def _project(project: Project, scribe: RestScribe) -> dict[str, Any]:
    style = "next-gen" if project.simplified else "classic"
    more = {
        "style": style,
        "isPrivate": False,
        "properties": {},
        "expand": "description,lead,issueTypes,url,projectKeys",
    }
    return project_json(project, scribe.base) | more


def _named(ask: Ask) -> Project:
    name = ask.path["project"]
    for project in ask.site.projects:
        if name in (project.key, str(project.id)):
            return project
    raise missing(f"No project could be found with key '{name}'.")
