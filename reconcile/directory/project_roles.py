"""Who holds which role in which project: one request a project, and one for each of its roles."""

from collections.abc import AsyncIterator, Callable

from reconcile.client.endpoints import PROJECT_ROLE, PROJECT_ROLES, PROJECTS
from reconcile.client.errors import JiraRefusedError, NotThereError
from reconcile.client.jira import JiraClient
from reconcile.client.paging import by_offset
from reconcile.client.together import together
from reconcile.directory.groups import Groups
from reconcile.directory.roles import Held
from reconcile.shapes.products import ProjectPage, ProjectRole, RoleActor

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
            await together(self._project(key, held) for key in keys)
            yield held

    async def _project(self, key: str, held: set[Held]) -> None:
        try:
            roles = await self._jira.read(dict[str, str], PROJECT_ROLES, key)
            # The answer is a map of names to links, and the link's end the only place that has the role's id.
            for link in roles.values():
                number = link.rstrip("/").rpartition("/")[2]
                if number.isascii() and number.isdigit():
                    await self._role(key, number, held)
        except NotThereError:
            self._skip("projects gone since they were listed")
        except JiraRefusedError as error:
            if error.status not in _FORBIDDEN:
                raise
            self._skip(NOT_ALLOWED)

    async def _role(self, key: str, number: str, held: set[Held]) -> None:
        role = await self._jira.read(ProjectRole, PROJECT_ROLE, key, number)
        name = (role.name or number)[:1024]
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
