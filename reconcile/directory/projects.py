"""The projects of a site: of which type each is, and who holds which role in it.

The type says which product an act in the project counts for. All projects are listed in pages of a hundred, archived
ones too: acts in them are not forgotten. Roles take one request a project, and one for each of its roles.
"""

import time
from collections.abc import AsyncIterator, Callable

from reconcile.client.endpoints import PROJECT_ROLE, PROJECT_ROLES, PROJECTS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset, gather_first_error, id_of_link
from reconcile.directory.grants import Groups, Held
from reconcile.directory.omissions import project_is_listed
from reconcile.responses import ProjectPage, ProjectRole, RoleActor
from rollcall.jira.values import LONGEST_TEXT
from rollcall.settings import ReconcileSettings

_PAGE = 100
_FORBIDDEN = 403
_MOST_FAILED = 10
"""Projects that may fail before it counts whether most do."""


async def project_types(jira: JiraClient) -> dict[str, str]:
    """Return the type of each project by its key, archived ones too: all of them, or none.

    Raises:
        JiraError: Jira did not answer, refused, or names fewer than it counts.
    """

    async def ask(start: int) -> ProjectPage:
        query = {"startAt": start, "maxResults": _PAGE, "orderBy": "key", "status": ["live", "archived"]}
        return await jira.read(ProjectPage, PROJECTS, query=query)

    found: dict[str, str] = {}
    total = 0
    async for page in by_offset(PROJECTS, ask):
        total = page.total or 0
        found.update((one.key[:LONGEST_TEXT], (one.project_type_key or "")[:LONGEST_TEXT]) for one in page.values)
    if not found or len(found) < total:
        raise JiraRefusedError(f"{PROJECTS.name}: Jira names {len(found)} projects and counts {total or 'none'}")
    return found


Skip = Callable[[str], None]
Tell = Callable[[int, int, float], None]
"""Hears of projects, requests and seconds."""


class ProjectRoles:
    """Reads the roles of all projects.

    Args:
        jira: Asks.
        groups: Resolves groups that hold a role.
        settings: How large a group is listed person by person, and how many requests go out at a time.
        skip: Called with the reason for whatever is left out.
        tell: Called with what it costs, once the first project is read.

    Attributes:
        forbidden: Keys of the projects whose roles the account may not see.
        failed: Why the roles of a project could not be read, by its key.
        cut: Keys of the projects whose roles are held by a group that is lost.
    """

    def __init__(self, jira: JiraClient, groups: Groups, settings: ReconcileSettings, skip: Skip, tell: Tell) -> None:
        self._jira = jira
        self._groups = groups
        self._settings = settings
        self._skip = skip
        self._tell = tell
        self._read = 0
        self._roles = 0
        self.forbidden: list[str] = []
        self.failed: dict[str, JiraError] = {}
        self.cut: set[str] = set()

    async def held(self) -> AsyncIterator[set[Held]]:
        """Yield who holds roles, a page of projects at a time; a project's roles are all there or none.

        Raises:
            JiraError: The projects cannot be listed, most of them fail, or Jira refuses the account itself.
        """

        async def ask(start: int) -> ProjectPage:
            query = {"startAt": start, "maxResults": _PAGE, "orderBy": "key"}
            return await self._jira.read(ProjectPage, PROJECTS, query=query)

        seen: set[str] = set()
        total = 0
        async for page in by_offset(PROJECTS, ask):
            total = page.total or 0
            keys = [project.key for project in page.values if project.key not in seen]
            held: set[Held] = set()
            if keys and not seen:
                await self._first(keys.pop(0), page.total or len(keys) + 1, held)
            seen.update(project.key for project in page.values)
            await gather_first_error(self._project(key, held) for key in keys)
            yield held
        if not seen or len(seen) < total:
            raise JiraRefusedError(f"{PROJECTS.name}: Jira names {len(seen)} projects and counts {total or 'none'}")

    async def _first(self, key: str, projects: int, held: set[Held]) -> None:
        """Read one project, and tell from it what all of them cost: roles are alike in all projects."""
        asked, begun = self._jira.stats.requests.total(), time.monotonic()
        await self._project(key, held)
        each = (time.monotonic() - begun) / max(1, self._jira.stats.requests.total() - asked)
        requests = projects * (1 + self._roles)
        self._tell(projects, requests, requests * each / self._settings.concurrency)

    async def _project(self, key: str, held: set[Held]) -> None:
        try:
            roles = await self._jira.read(dict[str, str], PROJECT_ROLES, key)
            found: set[Held] = set()
            self._roles = len(roles)
            # The answer is a map of names to links, and the link's end the only place that has the role's id.
            numbers = [id_of_link(link) for link in roles.values()]
            if not numbers or not all(numbers):
                raise JiraRefusedError(f"{PROJECT_ROLES.name}: Jira names no roles, or no ids of them")
            for number in numbers:
                found |= await self._role(key, number)
            held |= found
            self._read += 1
        except NotThereError as error:
            if await project_is_listed(self._jira, key):
                self.failed[key] = error
            else:
                self._skip("projects gone since they were listed")
        except AccountRefusedError:
            raise
        except JiraError as error:
            if isinstance(error, JiraRefusedError) and error.status == _FORBIDDEN:
                self.forbidden.append(key)
                self._skip(NOT_ALLOWED)
                return
            self.failed[key] = error
            # Where most fail, each with all its tries, going on would take hours.
            if len(self.failed) > max(_MOST_FAILED, self._read):
                raise

    async def _role(self, key: str, number: str) -> set[Held]:
        role = await self._jira.read(ProjectRole, PROJECT_ROLE, key, number)
        if not role.name or role.actors is None or not all(actor.is_known for actor in role.actors):
            raise JiraRefusedError(f"{PROJECT_ROLE.name}: Jira does not name a role, or who holds it")
        name = role.name[:LONGEST_TEXT]
        held = {(account, name, key) for actor in role.actors for account in await self._accounts(actor)}
        self.cut.update(
            key for actor in role.actors if actor.actor_group and actor.actor_group.group_id in self._groups.lost
        )
        return held

    async def _accounts(self, actor: RoleActor) -> list[str]:
        if actor.actor_user:
            return [actor.actor_user.known_id] if actor.actor_user.known_id else []
        if not actor.actor_group or not actor.actor_group.group_id:
            return []
        members = await self._groups.members(actor.actor_group.group_id)
        if len(members) > self._settings.project_role_group_limit:
            self._skip("project roles of large groups (project_role_group_limit)")
            return []
        return list(members)


NOT_ALLOWED = "projects whose roles the account may not see"
