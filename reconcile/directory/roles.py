"""Who holds which role: site admins, admins and users of products, the groups that make them so, and project roles.

Project roles take one request a project, and one for each of its roles.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from reconcile.client.endpoints import PROJECT_ROLE, PROJECT_ROLES, PROJECTS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset, gather_first_error, id_of_link
from reconcile.directory.licenses import Groups, Product
from reconcile.publisher import Gaps
from reconcile.responses import ProjectPage, ProjectRole, RoleActor
from rollcall.jira.values import LONGEST_TEXT

SITE_ADMIN, PRODUCT_ACCESS, GROUP = "site admin", "product access", "group"
"""Scopes of roles, see `rollcall.records.Role`."""

Held = tuple[str, str, str]
"""Account id, role, scope."""


_WHO = {SITE_ADMIN: "who administers the site", PRODUCT_ACCESS: "who administers or uses which product"}


async def global_roles(groups: Groups, products: Iterable[Product], gaps: Gaps) -> set[Held]:
    """Return who is site admin, who is admin or user of which product, and who is in which group that gives this.

    Args:
        groups: The groups of the site.
        products: Its products, as far as they could be read.
        gaps: Told of each scope that could not be read; what is returned of it is not all.

    Raises:
        AccountRefusedError: Jira refuses the account itself.
    """
    held: set[Held] = set()
    named: dict[str, str] = {}

    async def with_access(access: str, scope: str, key: str | None) -> None:
        with gaps.reading(f"roles:{scope}", _WHO[scope], f"roles:{GROUP}"):
            found = await groups.with_access(access, key)
            named.update((group.group_id or "", group.name or group.group_id or "") for group in found)
            for group in found:
                members = await groups.members(group.group_id or "")
                held.update((account, f"{key} {access}" if key else access, scope) for account in members)

    requests: list[tuple[str, str, str | None]] = [("site-admin", SITE_ADMIN, None)]
    requests += [(access, PRODUCT_ACCESS, one.role.key) for one in products for access in ("admin", "user")]
    await gather_first_error(with_access(*request) for request in requests)
    for product in products:
        named.update(
            (group.group_id, group.name or group.group_id) for group in product.role.group_details if group.group_id
        )
        if product.lost and product.unread:
            gaps.add(f"roles:{PRODUCT_ACCESS}")
            gaps.add(f"roles:{GROUP}")
    for group_id, name in named.items():
        with gaps.reading(f"roles:{GROUP}", "who is in the groups that give access"):
            held.update(_in_group(await groups.members(group_id), name))
    return held


def _in_group(members: Iterable[str], name: str) -> Iterator[Held]:
    return ((account, name[:LONGEST_TEXT], GROUP) for account in members)


_PAGE = 100
_FORBIDDEN = 403
_MOST_FAILED = 10
"""Projects that may fail before it counts whether most do."""

Skip = Callable[[str], None]


class ProjectRoles:
    """Reads the roles of all projects.

    Args:
        jira: Asks.
        groups: Resolves groups that hold a role.
        group_limit: Members above which a group is not listed person by person.
        skip: Called with the reason for whatever is left out.

    Attributes:
        forbidden: Keys of the projects whose roles the account may not see.
        failed: Why the roles of a project could not be read, by its key.
        cut: Keys of the projects whose roles are held by a group that is lost.
    """

    def __init__(self, jira: JiraClient, groups: Groups, group_limit: int, skip: Skip) -> None:
        self._jira = jira
        self._groups = groups
        self._group_limit = group_limit
        self._skip = skip
        self._read = 0
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
        async for page in by_offset(PROJECTS, ask):
            keys = [project.key for project in page.values if project.key not in seen]
            seen.update(keys)
            held: set[Held] = set()
            await gather_first_error(self._project(key, held) for key in keys)
            yield held

    async def _project(self, key: str, held: set[Held]) -> None:
        try:
            roles = await self._jira.read(dict[str, str], PROJECT_ROLES, key)
            found: set[Held] = set()
            # The answer is a map of names to links, and the link's end the only place that has the role's id.
            for link in roles.values():
                if number := id_of_link(link):
                    found |= await self._role(key, number)
            held |= found
            self._read += 1
        except NotThereError:
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
        name = (role.name or number)[:LONGEST_TEXT]
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
        if len(members) > self._group_limit:
            self._skip("project roles of large groups (project_role_group_limit)")
            return []
        return list(members)


NOT_ALLOWED = "projects whose roles the account may not see"
