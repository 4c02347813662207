"""Who holds which role: site admins, admins and users of products, the groups that make them so, and project roles.

Project roles take one request a project, and one for each of its roles.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from reconcile.client.endpoints import PROJECT_ROLE, PROJECT_ROLES, PROJECTS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset, gather_first_error, id_of_link
from reconcile.directory.licenses import Groups, Product
from reconcile.responses.membership import ProjectPage, ProjectRole, RoleActor
from rollcall.jira.values import LONGEST_TEXT

SITE_ADMIN, PRODUCT_ACCESS, GROUP = "site admin", "product access", "group"
"""Scopes of roles, see `rollcall.records.Role`."""

Held = tuple[str, str, str]
"""Account id, role, scope."""


async def global_roles(groups: Groups, products: Iterable[Product]) -> set[Held]:
    """Return who is site admin, who is admin or user of which product, and who is in which group that gives this.

    Raises:
        JiraError: Jira did not answer, or refused.
    """
    keys = [product.role.key for product in products]
    requests: list[tuple[str, str, str | None]] = [("site-admin", SITE_ADMIN, None)]
    requests += [(access, PRODUCT_ACCESS, key) for key in keys for access in ("admin", "user")]
    found = await asyncio.gather(*(groups.with_access(access, key) for access, _, key in requests))
    held: set[Held] = set()
    named: dict[str, str] = {}
    for (access, scope, key), some in zip(requests, found, strict=True):
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
    return ((account, name[:LONGEST_TEXT], GROUP) for account in members)


_PAGE = 100
_FORBIDDEN = (401, 403)

Skip = Callable[[str], None]


class ProjectRoles:
    """Reads the roles of all projects.

    Args:
        jira: Asks.
        groups: Resolves groups that hold a role.
        group_limit: Members above which a group is not listed person by person.
        skip: Called with the reason for whatever is left out.
    """

    def __init__(self, jira: JiraClient, groups: Groups, group_limit: int, skip: Skip) -> None:
        self._jira = jira
        self._groups = groups
        self._group_limit = group_limit
        self._skip = skip

    async def held(self) -> AsyncIterator[set[Held]]:
        """Yield who holds roles, a page of projects at a time."""

        async def ask(start: int) -> ProjectPage:
            query = {"startAt": start, "maxResults": _PAGE, "orderBy": "key"}
            return await self._jira.read(ProjectPage, PROJECTS, query=query)

        seen: set[str] = set()
        async for page in by_offset(PROJECTS, ask):
            keys = [project.key for project in page.values if project.key not in seen]
            seen.update(keys)
            held: set[Held] = set()
            await gather_first_error(self._project(key, held) for key in keys)
            yield held

    async def _project(self, key: str, held: set[Held]) -> None:
        try:
            roles = await self._jira.read(dict[str, str], PROJECT_ROLES, key)
            # The answer is a map of names to links, and the link's end the only place that has the role's id.
            for link in roles.values():
                if number := id_of_link(link):
                    await self._role(key, number, held)
        except NotThereError:
            self._skip("projects gone since they were listed")
        except JiraRefusedError as error:
            if error.status not in _FORBIDDEN:
                raise
            self._skip(NOT_ALLOWED)

    async def _role(self, key: str, number: str, held: set[Held]) -> None:
        role = await self._jira.read(ProjectRole, PROJECT_ROLE, key, number)
        name = (role.name or number)[:LONGEST_TEXT]
        for actor in role.actors:
            held.update((account, name, key) for account in await self._accounts(actor))

    async def _accounts(self, actor: RoleActor) -> list[str]:
        if actor.actor_user:
            return [actor.actor_user.known_id] if actor.actor_user.known_id else []
        if not actor.actor_group or not actor.actor_group.group_id:
            return []
        members = await self._groups.members(actor.actor_group.group_id)
        if len(members) > self._group_limit:
            self._skip("project roles of large groups (project_role_group_limit)")
            return []
        return list(members)


NOT_ALLOWED = "projects whose roles the account may not see"
