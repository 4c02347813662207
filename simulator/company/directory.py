"""The directory: groups, products and project roles, as they stand now, and the truth about them.

It begins with what follows from the seed and keeps what is changed while the site runs. `directory_truth` lists users,
licenses, roles and seats as a reconcile should learn them.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from simulator.chance import mix, share, uuid
from simulator.company.person import CALLER, Person, automation, roster
from simulator.company.project import projects
from simulator.config import DAY_MS, SiteConfig

Access = Literal["none", "user", "admin", "site-admin"]

PRODUCTS = {
    "jira-software": "Jira",
    "jira-servicedesk": "Jira Service Management",
    "jira-product-discovery": "Jira Product Discovery",
    "jira-core": "Jira Work Management",
}
PRODUCT_OF = {
    "software": "jira-software",
    "service_desk": "jira-servicedesk",
    "product_discovery": "jira-product-discovery",
    "business": "jira-core",
}
_BESIDE_SHARE = 0.06
"""Of the people: who hold a product though they work in none of its projects."""
_TWICE_SHARE = 0.08
"""Who are in both of two groups that open a product: out of one of them they keep the seat."""
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
        held[PRODUCT_OF[project.type]].update(project.members)
    for index in range(config.people):
        if share(config.seed, index, 61) < 0.85:
            held["jira-software"].add(index)
        for product in ("jira-servicedesk", "jira-product-discovery"):
            # Agents and others who hold what they work nowhere in.
            if index != CALLER and share(config.seed, index, len(product), 64) < _BESIDE_SHARE:
                held[product].add(index)
    made: list[Group] = []
    for product, names in _NAMES.items():
        for place, name in enumerate(names):
            inside = [
                i
                for i in sorted(held[product])
                if mix(config.seed, i, 62) % len(names) == place or share(config.seed, i, 65) < _TWICE_SHARE
            ]
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


_SEAT_STEPS = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000)


class Directory:
    """People and groups of a running site. Accounts are named by accountId, groups by groupId or name."""

    def __init__(self, config: SiteConfig) -> None:
        """Begin with the directory that follows from the seed."""
        self.config = config
        self.people = roster(config)
        self.index = {person.account_id: person.index for person in self.people}
        self.removed: set[int] = set()
        self.groups: dict[str, Group] = {group.id: group for group in groups(config)}

    def listed(self) -> list[Person]:
        """Return every account that Jira lists: inactive and deleted ones too, removed ones not."""
        return [person for person in self.people if person.index not in self.removed]

    def find(self, account_id: str) -> Person | None:
        """Return the listed account of this id."""
        index = self.index.get(account_id)
        return None if index is None or index in self.removed else self.people[index]

    def active(self, person: Person, now: int) -> bool:
        """Return whether the account is active at this moment, epoch ms."""
        return person.index not in self.removed and now // DAY_MS < person.left_day

    def erased(self, person: Person, now: int) -> bool:
        """Return whether Jira shows the account as a former user."""
        return person.index in self.removed or (person.erased and now // DAY_MS >= person.left_day)

    def group(self, name_or_id: str) -> Group | None:
        """Return a group by id or by name."""
        by_name = (group for group in self.groups.values() if group.name == name_or_id)
        return self.groups.get(name_or_id) or next(by_name, None)

    def members(self, group: Group, now: int, *, inactive: bool = True) -> list[Person]:
        """Return the members of a group in Jira's order."""
        found = (self.people[index] for index in group.members if index not in self.removed)
        return [person for person in found if inactive or self.active(person, now)]

    def holders(self, product: str, now: int) -> list[Person]:
        """Return who takes a seat of the product: active people of the groups that open it, each once."""
        inside = {
            person.index: person
            for group in self.groups.values()
            if product in group.products
            for person in self.members(group, now, inactive=False)
        }
        return [inside[index] for index in sorted(inside) if inside[index].account_type == "atlassian"]

    def held(self, person: Person, now: int) -> set[str]:
        """Return the products that an account may use at this moment."""
        return {
            product
            for group in self.groups.values()
            if person.index in group.members and self.active(person, now)
            for product in group.products
        }

    def seats(self, product: str, now: int) -> int:
        """Return the seats bought: the next step of the price list."""
        used = len(self.holders(product, now))
        return next((step for step in _SEAT_STEPS if step >= used), used)

    def remove_user(self, account_id: str) -> None:
        """Take an account out of the site; its acts stay, under the name of a former user.

        Raises:
            KeyError: There is no such account.
        """
        self.removed.add(self.index[account_id])

    def set_member(self, group_name_or_id: str, account_id: str, *, member: bool) -> None:
        """Put an account into a group or take it out.

        Raises:
            KeyError: There is no such group or account.
        """
        group = self.group(group_name_or_id)
        if group is None:
            raise KeyError(group_name_or_id)
        rest = tuple(index for index in group.members if index != self.index[account_id])
        self.groups[group.id] = replace(group, members=(*rest, self.index[account_id]) if member else rest)

    def move_license(self, account_id: str, source: str, target: str) -> None:
        """Move an account from all groups of one product to the first group of another.

        Raises:
            KeyError: There is no such product or account.
        """
        if source not in PRODUCTS or target not in PRODUCTS:
            raise KeyError(source if source not in PRODUCTS else target)
        for group in list(self.groups.values()):
            if source in group.products and group.access == "user":
                self.set_member(group.id, account_id, member=False)
        first = next(group for group in self.groups.values() if target in group.products)
        self.set_member(first.id, account_id, member=True)


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
