"""The truth about the directory: users, licenses, roles and seats as a reconcile should learn them."""

from collections.abc import Iterator
from typing import Any

from simulator.company.directory import Directory
from simulator.company.groups import PRODUCTS, ROLES, role_actors
from simulator.company.projects import projects


def directory_truth(directory: Directory, now: int) -> Iterator[dict[str, Any]]:
    """Yield one flat object per user, license, role and seat count, as they stand at ``now`` (epoch ms)."""
    for person in directory.listed():
        erased = directory.erased(person, now)
        hidden = person.email_hidden or erased
        yield {
            "kind": "user",
            "account_id": person.account_id,
            "account_type": person.account_type,
            "display_name": "Former user" if erased else person.name,
            "email": None if hidden else person.email,
            "active": directory.active(person, now),
        }
    for product in PRODUCTS:
        holders = directory.holders(product, now)
        for person in holders:
            yield {"kind": "license", "product": product, "account_id": person.account_id}
        yield {"kind": "seats", "product": product, "total": directory.seats(product, now), "used": len(holders)}
    for group in directory.groups.values():
        for person in directory.members(group, now):
            row = {"kind": "group", "group_id": group.id, "group": group.name, "access": group.access}
            yield {**row, "account_id": person.account_id}
    yield from _project_roles(directory, now)


def _project_roles(directory: Directory, now: int) -> Iterator[dict[str, Any]]:
    for project in projects(directory.config):
        for role, name in ROLES.items():
            users, named = role_actors(directory.config, project.index, role)
            row = {"kind": "project_role", "project_key": project.key, "role": name}
            for index in users:
                yield {**row, "account_id": directory.people[index].account_id, "via": ""}
            for group_name in named:
                group = directory.group(group_name)
                for person in directory.members(group, now) if group else ():
                    yield {**row, "account_id": person.account_id, "via": group_name}
