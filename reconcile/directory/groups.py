"""Groups and their members; each group is asked once a run, however many products and roles name it."""

import asyncio
from collections.abc import Callable

from reconcile.client.endpoints import GROUP_MEMBERS, GROUPS
from reconcile.client.errors import NotThereError
from reconcile.client.jira import JiraClient
from reconcile.client.paging import by_offset
from reconcile.shapes.products import Group, GroupPage, MemberPage

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
