"""Who holds which product: the members of the groups that give access to it.

Access to a product takes a seat when the account is active and a person; apps and portal customers take none. Jira Core
is included in every other Jira product (`platform` in the application role), so who holds another one does not count
for jira-core again. The groups come from Jira, by id: no group is known by its name here.
"""

import asyncio
from dataclasses import dataclass, field

from reconcile.client.endpoints import APPLICATION_ROLES
from reconcile.client.jira import JiraClient
from reconcile.directory.groups import Groups
from reconcile.shapes.products import ApplicationRole

_INCLUDED = "jira-core"


@dataclass(frozen=True, slots=True)
class Product:
    """A product.

    Attributes:
        role: What Jira says of it.
        holders: Account ids with access.
        counted: Those of them who count for this product and not for another.
    """

    role: ApplicationRole
    holders: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)

    @property
    def seats(self) -> int | None:
        """Seats bought; None when unlimited or not told."""
        number = self.role.number_of_seats
        return None if self.role.has_unlimited_seats or number is None or number < 0 else number

    @property
    def used(self) -> int:
        """Seats used, by Jira's own count."""
        return len(self.holders) if self.role.user_count is None else max(0, self.role.user_count)


async def products(jira: JiraClient, groups: Groups) -> list[Product]:
    """Return the products of a site with their holders.

    Raises:
        JiraError: Jira could not be asked; it takes Administer Jira.
    """
    roles = await jira.read(list[ApplicationRole], APPLICATION_ROLES)
    holders = await asyncio.gather(*(_holders(role, groups) for role in roles))
    found = [Product(role, inside) for role, inside in zip(roles, holders, strict=True)]
    elsewhere: set[str] = set().union(*(one.holders for one in found if not _is_included(one.role)))
    for one in found:
        one.counted.update(one.holders - elsewhere if _is_included(one.role) else one.holders)
    return found


async def _holders(role: ApplicationRole, groups: Groups) -> set[str]:
    ids = {group.group_id for group in role.group_details if group.group_id}
    members = await asyncio.gather(*(groups.members(group_id) for group_id in ids))
    return {account for some in members for account, is_person in some.items() if is_person}


def _is_included(role: ApplicationRole) -> bool:
    return role.key == _INCLUDED or role.platform is True
