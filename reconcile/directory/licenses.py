"""Who holds which product: the members of the groups that give access to it.

Access to a product takes a seat when the account is active and a person; apps and portal customers take none. Jira Core
is included in every other Jira product (`platform` in the application role), so who holds another one does not count
for jira-core again. The groups come from Jira, by id: no group is known by its name here, and each is read once a run,
however many products and roles name it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from reconcile.client.endpoints import APPLICATION_ROLES, GROUP_MEMBERS, GROUPS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import NotThereError
from reconcile.client.paging import by_offset
from reconcile.responses.membership import ApplicationRole, Group, GroupPage, MemberPage

_MEMBERS = 50
_GROUPS = 50
"""A page at most (OpenAPI file; 50 is its default for groups)."""

Members = dict[str, bool]
"""Active members by account id, and whether each is a person (account type atlassian)."""


class Groups:
    """The groups of a site, by id; names can be changed at any time and are only shown.

    Args:
        jira: Asks.
        gone: Called for a group that is not there any more.
    """

    def __init__(self, jira: JiraClient, gone: Callable[[], None]) -> None:
        self._jira = jira
        self._gone = gone
        self._asked: dict[str, asyncio.Task[Members]] = {}

    async def members(self, group_id: str) -> Members:
        """Return the active members of a group."""
        if group_id not in self._asked:
            self._asked[group_id] = asyncio.create_task(self._members(group_id))
        return await self._asked[group_id]

    def close(self) -> None:
        """Stop asking; nobody waits for the answers any more."""
        for task in self._asked.values():
            task.cancel()

    async def with_access(self, access: str, product: str | None = None) -> list[Group]:
        """Return the groups with an accessType (site-admin, admin, user), to a product if one is named."""

        async def ask(start: int) -> GroupPage:
            query: dict[str, str | int] = {"startAt": start, "maxResults": _GROUPS, "accessType": access}
            if product:
                query["applicationKey"] = product
            return await self._jira.read(GroupPage, GROUPS, query=query)

        return [group async for page in by_offset(GROUPS, ask) for group in page.values if group.group_id]

    async def _members(self, group_id: str) -> Members:
        async def ask(start: int) -> MemberPage:
            query = {"groupId": group_id, "includeInactiveUsers": False, "startAt": start, "maxResults": _MEMBERS}
            return await self._jira.read(MemberPage, GROUP_MEMBERS, query=query)

        found: Members = {}
        try:
            async for page in by_offset(GROUP_MEMBERS, ask):
                for person in page.values:
                    if person.known_id and person.is_active:
                        found[person.known_id] = person.known_type == "atlassian"
        except NotThereError:
            self._gone()
        return found


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
        """Seats bought; None when unlimited or not given."""
        number = self.role.number_of_seats
        return None if self.role.has_unlimited_seats or number is None or number < 0 else number

    @property
    def used(self) -> int:
        """Seats used, by Jira's own count."""
        return len(self.holders) if self.role.user_count is None else max(0, self.role.user_count)


async def products(jira: JiraClient, groups: Groups) -> list[Product]:
    """Return the products of a site with their holders.

    Raises:
        JiraError: Jira did not answer, or refused; it takes Administer Jira.
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
