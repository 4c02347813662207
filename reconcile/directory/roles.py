"""Roles beyond projects: site admins, admins and users of products, and the groups that make them so."""

import asyncio
from collections.abc import Iterable, Iterator

from reconcile.directory.groups import Groups
from reconcile.directory.licenses import Product

SITE_ADMIN, PRODUCT_ACCESS, GROUP = "site admin", "product access", "group"
"""Scopes of roles, see `rollcall.records.Role`."""

_LONGEST = 1024

Held = tuple[str, str, str]
"""Account id, role, scope."""


async def global_roles(groups: Groups, products: Iterable[Product]) -> set[Held]:
    """Return who is site admin, who is admin or user of which product, and who is in which group that gives this.

    Raises:
        JiraError: Jira could not be asked.
    """
    keys = [product.role.key for product in products]
    asked: list[tuple[str, str, str | None]] = [("site-admin", SITE_ADMIN, None)]
    asked += [(access, PRODUCT_ACCESS, key) for key in keys for access in ("admin", "user")]
    found = await asyncio.gather(*(groups.with_access(access, key) for access, _, key in asked))
    held: set[Held] = set()
    named: dict[str, str] = {}
    for (access, scope, key), some in zip(asked, found, strict=True):
        role = f"{key} {access}" if key else access
        for group in some:
            named[group.group_id or ""] = group.name or group.group_id or ""
            held.update((account, role, scope) for account in await groups.members(group.group_id or ""))
    for product in products:
        named.update(
            (group.group_id, group.name or group.group_id) for group in product.role.group_details if group.group_id
        )
    for group_id, name in named.items():
        held.update(_in_group(await groups.members(group_id), name))
    return held


def _in_group(members: Iterable[str], name: str) -> Iterator[Held]:
    return ((account, name[:_LONGEST], GROUP) for account in members)
