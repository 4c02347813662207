"""Groups, products and project roles: who holds a license and who may administer."""

import zlib
from typing import Literal

import msgspec

from simulator.chance import mix, share, uuid
from simulator.company.people import CALLER, automation, roster
from simulator.company.projects import projects
from simulator.config import SiteConfig

Access = Literal["none", "user", "admin", "site-admin"]

PRODUCTS = {
    "jira-software": "Jira",
    "jira-servicedesk": "Jira Service Management",
    "jira-product-discovery": "Jira Product Discovery",
    "jira-core": "Jira Work Management",
}
_PRODUCT_OF = {
    "software": "jira-software",
    "service_desk": "jira-servicedesk",
    "product_discovery": "jira-product-discovery",
    "business": "jira-core",
}
_NAMES = {
    "jira-software": ("builders", "builders-contract"),
    "jira-servicedesk": ("helpers",),
    "jira-product-discovery": ("discoverers",),
    "jira-core": ("office",),
}
ROLES = {10002: "Administrators", 10003: "Member", 10004: "Viewer"}
"""Project roles: id and name."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group, its members by index, and the product it opens."""

    id: str
    name: str
    access: Access
    products: tuple[str, ...]
    members: tuple[int, ...]


def groups(config: SiteConfig) -> list[Group]:
    """Return the groups as they stand before anybody changes them; group names say nothing about products."""
    people = roster(config)
    held: dict[str, set[int]] = {product: set() for product in PRODUCTS}
    for project in projects(config):
        held[_PRODUCT_OF[project.type]].update(project.members)
    for index in range(config.people):
        if share(config.seed, index, 61) < 0.85:
            held["jira-software"].add(index)
    made: list[Group] = []
    for product, names in _NAMES.items():
        for place, name in enumerate(names):
            inside = [i for i in sorted(held[product]) if mix(config.seed, i, 62) % len(names) == place]
            if place == 0:
                # An app sits in a group that gives access, and takes no seat.
                inside.append(automation(config))
            made.append(_group(config, name, "user", (product,), inside))
    admins = [CALLER, *range(1, min(6, config.people))]
    made.append(_group(config, "keepers", "admin", tuple(PRODUCTS), admins))
    made.append(_group(config, "owners", "site-admin", (), admins[:2]))
    staff = [person.index for person in people if person.account_type == "atlassian"]
    made.append(_group(config, "everybody", "none", (), staff))
    made.extend(
        _group(config, f"team-{project.key.lower()}", "none", (), list(project.members)) for project in projects(config)
    )
    return made


def role_actors(config: SiteConfig, project: int, role: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the people (indexes) and groups (names) that hold a role in a project."""
    place = projects(config)[project]
    if role == 10002:
        return place.team[:1], ("keepers",)
    if role == 10003:
        return place.team[:10], (f"team-{place.key.lower()}",)
    return (), ("everybody",)


def _group(config: SiteConfig, name: str, access: Access, products: tuple[str, ...], members: list[int]) -> Group:
    people = roster(config)
    kept = tuple(index for index in members if not people[index].erased)
    return Group(
        id=uuid(config.seed, zlib.crc32(name.encode()), 63), name=name, access=access, products=products, members=kept
    )
