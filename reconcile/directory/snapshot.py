"""One snapshot of the directory, its last row only when all others are durable on the log.

Users are all there are: active, inactive and deleted ones, apps and portal customers; the account id is who they are.
"""

from collections.abc import AsyncIterator, Callable

import msgspec

from reconcile.client.endpoints import USERS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraRefusedError
from reconcile.client.paging import by_offset, decoded_elements
from reconcile.directory.licenses import Groups, Product, products
from reconcile.directory.roles import NOT_ALLOWED, Held, ProjectRoles, global_roles
from reconcile.progress import Progress
from reconcile.publisher import DirectoryPublisher, ExistingFacts
from reconcile.responses.membership import PERSON, Person, UserPage
from reconcile.state.checkpoint import Checkpoint
from rollcall.clock import now_ms
from rollcall.errors import WarehouseUnavailableError
from rollcall.jira.values import account_id
from rollcall.records import License, Role, Seats, SnapshotComplete, User
from rollcall.settings import ReconcileSettings

_PAGE = 1000
"""Users a page at most (OpenAPI file)."""


async def all_users(jira: JiraClient, unreadable: Callable[[], None]) -> AsyncIterator[list[Person]]:
    """Yield all users with an account id, each once. A hidden e-mail is no reason to leave anybody out.

    Pages are a bare array, may be short and have no particular order; only an empty one is the end.

    Args:
        jira: Asks.
        unreadable: Called for an element of unknown form, or with an account id that is longer than any.
    """

    async def ask(start: int) -> UserPage:
        query = {"startAt": start, "maxResults": _PAGE}
        return UserPage(values=await jira.read(list[msgspec.Raw], USERS, query=query))

    seen: set[str] = set()
    async for page in by_offset(USERS, ask, until_empty=True):
        fresh = {}
        for person in decoded_elements(PERSON, page.values, unreadable):
            try:
                known = account_id(person.account_id)
            except ValueError:
                unreadable()
                continue
            if known and known not in seen:
                fresh[known] = person
        seen.update(fresh)
        yield list(fresh.values())


_FORBIDDEN = (401, 403)


class Snapshot:
    """Takes a snapshot.

    Args:
        jira: Asks Jira.
        publisher: Takes rows to the log.
        checkpoint: The run; its counts are added to.
        settings: What to learn.
        progress: Shows how far it is.
        existing: What the warehouse knows; None when it cannot be queried.
    """

    def __init__(
        self,
        jira: JiraClient,
        publisher: DirectoryPublisher,
        checkpoint: Checkpoint,
        settings: ReconcileSettings,
        progress: Progress,
        existing: ExistingFacts | None,
    ) -> None:
        self._jira = jira
        self._publisher = publisher
        self._run = checkpoint
        self._settings = settings
        self._progress = progress
        self._existing = existing
        self._site = checkpoint.site
        self._id = now_ms()

    async def take(self) -> None:
        """Take the snapshot; if this fails half-way, readers go on seeing the one before.

        An account that may not see licenses still brings names, and what is missing is named, unless that would hide
        licenses that an earlier snapshot had.

        Raises:
            JiraError: Jira did not answer, or the account lacks a permission.
            LogUnavailableError: The log takes nothing.
        """
        self._run.found.rows.clear()
        await self._users()
        groups = Groups(self._jira, lambda: self._skip("groups gone since they were listed"))
        refused = ""
        try:
            try:
                found = await products(self._jira, groups)
            except JiraRefusedError as error:
                if error.status not in _FORBIDDEN or await self._licenses_would_go():
                    raise
                refused = f"licenses, seats and the roles that come with them: {error}"
            else:
                await self._licenses(found)
                await self._roles(await global_roles(groups, found))
            if self._settings.project_roles:
                await self._project_roles(groups)
        finally:
            groups.close()
        await self._complete()
        if refused:
            self._run.missing.append(refused)

    async def _licenses_would_go(self) -> bool:
        try:
            return self._existing is None or await self._existing.has_licenses(self._site)
        except WarehouseUnavailableError:
            return True  # not known: rather an old snapshot than one that takes licenses away

    async def _users(self) -> None:
        rows = self._run.found.rows
        async for people in all_users(self._jira, lambda: self._skip("unreadable users")):
            await self._publisher.add(
                User(
                    site=self._site,
                    snapshot_id=self._id,
                    account_id=person.known_id,
                    display_name=person.display_name or "",
                    email=person.email_address or None,
                    account_type=person.known_type,
                    active=person.is_active,
                )
                for person in people
            )
            self._progress.at("users", rows["users"])
        self._progress.end("users", rows["users"])

    async def _licenses(self, found: list[Product]) -> None:
        for product in found:
            key, total, used = product.role.key, product.seats, product.used
            await self._publisher.add(
                License(site=self._site, snapshot_id=self._id, product=key, account_id=account)
                for account in sorted(product.counted)
            )
            await self._publisher.add(
                [Seats(site=self._site, snapshot_id=self._id, product=key, total=total, used=used)]
            )
            if used != len(product.holders):
                self._run.notes.append(
                    f"{key}: Jira counts {used} seats used, its groups have {len(product.holders)} active people"
                )
        self._progress.end("licenses", self._run.found.rows["licenses"])

    async def _roles(self, held: set[Held]) -> None:
        await self._publisher.add(
            Role(site=self._site, snapshot_id=self._id, account_id=account, role=role, scope=scope)
            for account, role, scope in sorted(held)
        )
        self._progress.at("roles", self._run.found.rows["roles"])

    async def _project_roles(self, groups: Groups) -> None:
        roles = ProjectRoles(self._jira, groups, self._settings.project_role_group_limit, self._skip)
        async for held in roles.held():
            await self._roles(held)
        self._progress.end("roles", self._run.found.rows["roles"])
        if count := self._run.found.skipped[NOT_ALLOWED]:
            self._run.missing.append(f"the roles in {count} projects, which the account may not see")

    async def _complete(self) -> None:
        rows = self._run.found.rows
        await self._publisher.complete(
            SnapshotComplete(
                site=self._site,
                snapshot_id=self._id,
                users=rows["users"],
                licenses=rows["licenses"],
                roles=rows["roles"],
                seats=rows["seats"],
                completed_at=now_ms(),
            )
        )

    def _skip(self, why: str) -> None:
        self._run.found.skipped[why] += 1
