"""Who holds which product: the members of the groups that give access to it.

Access to a product takes a seat when the account is active and a person; apps and portal customers take none. Jira Core
is included in every other Jira product (`platform` in the application role), so who holds another one does not count
for jira-core again. The groups come from Jira, by id: no group is known by its name here, and each is read once a run,
however many products and roles name it. Jira's own count of a product's users tells whether its groups are all.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconcile.client.endpoints import APPLICATION_ROLES, GROUP_MEMBERS, GROUPS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset
from reconcile.responses import ApplicationRole, Group, GroupPage, MemberPage, Person

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
        met: Called for each member, whose record is as complete as in the list of users.

    Attributes:
        lost: Ids of the groups that are not there any more, or may not be seen.
    """

    def __init__(self, jira: JiraClient, gone: Callable[[], None], met: Callable[[Person], None]) -> None:
        self.lost: set[str] = set()
        self._jira = jira
        self._gone = gone
        self._met = met
        self._asked: dict[str, asyncio.Task[Members]] = {}

    async def members(self, group_id: str) -> Members:
        """Return the active members of a group; none when it is lost. Raises JiraError."""
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
                        self._met(person)
        except NotThereError:
            self.lost.add(group_id)
            self._gone()
        return found


_INCLUDED = "jira-core"
_NEAR = 0.05
"""Share of Jira's count by which ours may differ: Jira's is a little behind."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product.

    Attributes:
        role: What Jira says of it.
        holders: Account ids with access.
        counted: Those of them who count for this product and not for another.
        unread: Why its holders are not all there is; empty when they are.
        lost: How many of its groups were lost.
    """

    role: ApplicationRole
    holders: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    unread: str = ""
    lost: int = 0

    @property
    def seats(self) -> int | None:
        """Seats bought; None when unlimited or not given."""
        number = self.role.number_of_seats
        return None if self.role.has_unlimited_seats or number is None or number < 0 else number

    @property
    def used(self) -> int:
        """Seats used, by Jira's own count."""
        return len(self.holders) if self.role.user_count is None else max(0, self.role.user_count)

    @property
    def differs(self) -> bool:
        """Whether Jira counts others than the holders. Jira Core's count may be of those who count for it alone."""
        return self.used not in (len(self.holders), len(self.counted))

    @property
    def is_far(self) -> bool:
        """Whether the holders are far from Jira's count."""
        return min(abs(self.used - len(some)) for some in (self.holders, self.counted)) > _NEAR * self.used

    @property
    def difference(self) -> str:
        """The two figures, for people."""
        return f"Jira counts {self.used} seats used, its groups have {len(self.holders)} active people"


async def products(jira: JiraClient, groups: Groups) -> list[Product]:
    """Return the products of a site with their holders; a product whose groups could not all be read says so.

    Raises:
        JiraError: Jira did not answer, or refused; it takes Administer Jira.
    """
    roles = await jira.read(list[ApplicationRole], APPLICATION_ROLES)
    if not roles:
        raise JiraRefusedError(f"{APPLICATION_ROLES.name}: Jira names no product, and no site is without one")
    found = await asyncio.gather(*(_product(role, groups) for role in roles))
    others = [one for one in found if not _is_included(one.role)]
    elsewhere: set[str] = set().union(*(one.holders for one in others))
    unsure = (
        "who counts for it is known only with the holders of the others" if any(one.unread for one in others) else ""
    )
    return [
        replace(one, counted=one.holders - elsewhere, unread=one.unread or unsure) if _is_included(one.role) else one
        for one in found
    ]


async def _product(role: ApplicationRole, groups: Groups) -> Product:
    ids = {group.group_id for group in role.group_details if group.group_id}
    read = await asyncio.gather(*(_people(group_id, groups) for group_id in ids))
    failed = next((one for one in read if isinstance(one, str)), "")
    holders: set[str] = set().union(*(one for one in read if not isinstance(one, str)))
    found = Product(role, holders, set(holders), failed, len(ids & groups.lost))
    if found.unread or not found.lost or (role.user_count is not None and not found.differs):
        return found
    return replace(found, unread=f"{found.lost} of its groups cannot be found; {found.difference}")


async def _people(group_id: str, groups: Groups) -> set[str] | str:
    """Return the people in a group, or why they are not known."""
    try:
        return {account for account, is_person in (await groups.members(group_id)).items() if is_person}
    except AccountRefusedError:
        raise
    except JiraError as error:
        return str(error)


def _is_included(role: ApplicationRole) -> bool:
    return role.key == _INCLUDED or role.platform is True
