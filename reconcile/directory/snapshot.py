"""One snapshot of the directory, its last row only when all others are durable on the log.

Each part is read by itself. One that cannot be read, or of which there is less than before and Jira counts more, is
lacking in the snapshot, which then says so: the reports go on with the newest snapshot that has it.

Users are all there are: active, inactive and deleted ones, apps and portal customers; the account id is who they are.
"""

from collections.abc import Collection, Iterable, Set
from contextlib import suppress
from datetime import UTC, datetime

from reconcile.client.endpoints import APPLICATION_ROLES, USERS, Endpoint
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError
from reconcile.directory.exemptions import exempt_accounts, exempt_groups, members_of, told
from reconcile.directory.grants import (
    GROUP,
    PRODUCT_ACCESS,
    SITE_ADMIN,
    Groups,
    Held,
    Product,
    all_users,
    global_roles,
    listed_products,
    products,
)
from reconcile.directory.omissions import MOST_BY_ID, Gaps, accounts_by_id, product_of_key
from reconcile.directory.organization import Organization
from reconcile.directory.projects import ProjectRoles, project_types
from reconcile.progress import Progress
from reconcile.publisher import DirectoryPublisher, ExistingFacts, KnownDirectory
from reconcile.responses import ApplicationRole, Person
from reconcile.state.checkpoint import Checkpoint
from rollcall.clock import now_ms
from rollcall.errors import WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.records import Project, Role, SnapshotComplete, User
from rollcall.settings import Settings

_FEW = 0.05
"""Share of the listed accounts that may be found in groups alone before the list counts as cut short."""
_POORER = 0.05
"""By how much less of Jira's own count than before is poorer."""
_GIVEN_UP_MS = 7 * 86_400_000
"""For how long a product may be in no answer of Jira's before it counts as given up."""
_SHOWN = 3
"""Projects named in a sentence."""
_PROJECTS, _TYPES, _LOOKED = "projects", "project types", "looked"
_ROLES_AGAIN = "--whole reads them before they are due"
log = logger(__name__)


class Snapshot:
    """Takes a snapshot.

    Args:
        jira: Asks Jira.
        publisher: Takes rows to the log.
        checkpoint: The run; its counts are added to.
        settings: What to learn.
        progress: Shows how far it is.
        existing: What the warehouse knows; None when it cannot be queried.
        reads_as: The account that asks, where it is known.
    """

    def __init__(
        self,
        jira: JiraClient,
        publisher: DirectoryPublisher,
        checkpoint: Checkpoint,
        settings: Settings,
        progress: Progress,
        existing: ExistingFacts | None,
        reads_as: str = "",
    ) -> None:
        self._jira = jira
        self._publisher = publisher
        self._run = checkpoint
        self._settings = settings.reconcile
        self._organization = settings.organization
        self._seats = settings.seats
        self._lost_groups: list[str] = []
        self._reads_as = reads_as
        self._progress = progress
        self._existing = existing
        self._site = checkpoint.site
        self._id = now_ms()
        self._gaps = Gaps()
        self._missing: list[str] = []
        self._listed: set[str] = set()
        self._only_in_groups: dict[str, Person] = {}
        self._with_roles: set[str] = set()
        self._before: KnownDirectory | None = None
        self._landed = False

    async def take(self) -> None:
        """Take the snapshot; if this fails half-way, readers go on seeing the one before.

        What could not be read is named among what the run misses. Where nothing could, there is no snapshot.

        Raises:
            JiraError: Jira did not answer, or refused, whatever was asked; or it refuses the account itself.
            LogUnavailableError: The log takes nothing.
        """
        self._run.found.rows.clear()
        gaps, groups = self._gaps, Groups(self._jira, self._lost_group, self._met)
        try:
            with gaps.reading("users", "users"):
                await self._users()
                self._landed = True
            found, stay = list[Product](), dict[str, str]()
            # Without the products, what access they give and through which groups is not known either.
            access = (f"roles:{PRODUCT_ACCESS}", f"roles:{GROUP}")
            with gaps.reading("licenses", "licenses, seats and the roles that come with them", *access):
                odd = list[None]()
                listed = await listed_products(self._jira, lambda: odd.append(None))
                self._name_odd(len(odd), "products", APPLICATION_ROLES)
                left_out, stay = await self._products_left_out(listed)
                found = await products([*listed, *left_out], groups, stay, whole=not odd)
                await self._licenses(found)
            await self._roles(await global_roles(groups, [one for one in found if one.role.key not in stay], gaps))
            self._landed |= f"roles:{SITE_ADMIN}" not in gaps.lacks
            if self._seats.exempt:
                await self._exempt(groups)
            await self._project_types()
            if self._settings.project_roles and await self._are_roles_due():
                await self._project_roles(groups)
            await self._looks(found)
        finally:
            groups.close()
        if not self._landed and gaps.error:
            raise gaps.error
        if "users" not in gaps.lacks:
            await self._users_in_groups()
            if "users" not in gaps.lacks:
                await self._users_left_out()
        if self._seats.exempt or self._seats.products:
            self._tell_lost_names(found)
        self._run.missing += [*self._missing, *await self._told()]
        await self._complete()

    async def _known(self) -> KnownDirectory | None:
        with suppress(WarehouseUnavailableError):
            if self._before is None and self._existing:
                self._before = await self._existing.directory(self._site)
        return self._before

    async def _told(self) -> list[str]:
        """Return what people are told of the parts that are lacking, each with the age of what is shown instead."""
        if not self._gaps.told:
            return []
        known = await self._known()
        return [f"{words}{_instead(known, part)}" for part, words in self._gaps.told.items()]

    async def _users(self) -> None:
        rows, untyped = self._run.found.rows, 0
        odd, cut = list[None](), list[JiraError]()
        async for people in all_users(self._jira, lambda: odd.append(None), cut.append):
            self._listed.update(person.known_id for person in people)
            untyped += sum(person.account_type is None for person in people)
            await self._add_users(people)
            self._progress.at("users", rows["users"])
        if not self._listed:
            raise JiraRefusedError(f"{USERS.name}: Jira names nobody, not even the account that asks")
        self._name_odd(len(odd), "users", USERS)
        if cut:
            await self._take_or_keep(f"users: the list ends where Jira refuses to go on: {cut[0]}", len(self._listed))
        if untyped > _FEW * len(self._listed):
            words = f"users: {USERS.name} does not say of {untyped} accounts whether they are people"
            await self._take_or_keep(words, len(self._listed) - untyped)
        self._progress.end("users", rows["users"])

    async def _take_or_keep(self, words: str, whole: int, taken: str = "") -> None:
        """Name what lacks of a list of users; where fewer are whole than are known, those known stay."""
        known = await self._known()
        if known is None or whole < known.users:
            self._gaps.add("users", words)
        else:
            self._missing.append(taken or words)

    def _name_odd(self, count: int, what: str, endpoint: Endpoint) -> None:
        if count:
            self._missing.append(f"{count} {what}: {endpoint.name}: they have an unknown form; please report it")

    async def _add_users(self, people: Iterable[Person]) -> None:
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

    def _met(self, person: Person) -> None:
        if person.known_id not in self._listed:
            self._only_in_groups[person.known_id] = person

    async def _users_in_groups(self) -> None:
        """Add whom the list of users leaves out though a group names them: it may have been cut short."""
        await self._add_users(self._only_in_groups.values())
        if not (people := sum(person.known_type == "atlassian" for person in self._only_in_groups.values())):
            return
        words = f"users: {USERS.name} leaves out {people} people who are in groups"
        taken = f"{words}; they were taken from there, others may be missing"
        if people > _FEW * len(self._listed):
            await self._take_or_keep(words, len(self._listed) + len(self._only_in_groups), taken)
        else:
            self._missing.append(taken)

    async def _users_left_out(self) -> None:
        """Add whom the list of users leaves out though Jira knows them by their ids; whom it does not is gone.

        Asked for are the accounts that were active before, those that did something, and those with a project role.
        """
        known = await self._known()
        waiting = self._unlisted(self._with_roles.union(known.accounts if known else ()))

        def tell(count: int, error: JiraError) -> None:
            self._missing.append(f"users: {count} accounts that were known are not listed any more, and {error}")

        if not waiting or not (found := await accounts_by_id(self._jira, waiting, tell)):
            return
        await self._add_users(found.values())
        words = f"users: {USERS.name} leaves out {len(found)} accounts that Jira knows by their ids"
        if len(waiting) > MOST_BY_ID:
            self._gaps.add("users", f"{words}, and maybe more of {len(waiting)}")
            return
        self._missing.append(f"{words}; they were taken from there, others may be missing")

    @property
    def listed(self) -> Set[str] | None:
        """Whom the lists of users and groups name; None where the list of users could not be read."""
        return None if "users" in self._gaps.lacks else self._listed | self._only_in_groups.keys()

    async def list_again(self) -> None:
        """Ask who is listed, where the snapshot was taken before the run was interrupted.

        Raises:
            AccountRefusedError: Jira refuses the account itself.
        """
        with self._gaps.reading("users", "users: whether acts are by accounts that the list leaves out"):
            async for people in all_users(self._jira, lambda: None, lambda _: None):
                self._listed.update(person.known_id for person in people)
        self._run.missing += self._gaps.told.values()

    def _unlisted(self, accounts: Collection[str]) -> list[str]:
        """Return those of these accounts that no answer has had yet, to be asked for once."""
        found = sorted(set(accounts) - self._listed - self._only_in_groups.keys())
        self._listed.update(found)
        return found

    async def look_for(self, actors: Collection[str]) -> None:
        """Name accounts that this snapshot lacks though they did something and Jira knows them; the next one has them.

        Raises:
            AccountRefusedError: Jira refuses the account itself.
        """
        missing, waiting = self._run.missing, self._unlisted(actors)

        def tell(count: int, error: JiraError) -> None:
            missing.append(f"users: {count} accounts that did something are not listed, and {error}")

        known = not waiting or "users" in self._gaps.lacks
        if not known and (found := await accounts_by_id(self._jira, waiting, tell)):
            missing.append(
                f"users: {USERS.name} leaves out {len(found)} accounts that did something and that Jira knows by their "
                "ids; the next run takes them, others may be missing"
            )

    async def _products_left_out(self, listed: list[ApplicationRole]) -> tuple[list[ApplicationRole], dict[str, str]]:
        """Return the known products that Jira does not list, as it knows them by their keys, and why others stay.

        One that it does not know so either stays as it was read last, until it has been in no answer for long enough:
        then the site has given it up.
        """
        known = await self._known()
        found: list[ApplicationRole] = []
        stay: dict[str, str] = {}
        for key in sorted((known.shares.keys() if known else set()) - {role.key for role in listed}):
            since = known.lacking.get(key, self._id) if known else self._id
            try:
                role = await product_of_key(self._jira, key)
            except AccountRefusedError:
                raise
            except JiraError as error:
                stay[key] = f"{APPLICATION_ROLES.name} leaves it out, and {error}"
                continue
            if role:
                found.append(role)
                words = f"{APPLICATION_ROLES.name} leaves out {key}, which Jira knows by its key"
                self._missing.append(f"licenses: {words}; others may be missing")
            elif self._id - since < _GIVEN_UP_MS:
                until = _moment(since + _GIVEN_UP_MS)
                stay[key] = f"Jira no longer names the product, which counts as given up from {until} on"
            else:
                self._run.notes.append(f"{key}: Jira has not named the product since {_moment(since)}: it is given up")
        if stay:  # who may use them is not known either
            self._gaps.add(f"roles:{PRODUCT_ACCESS}")
            self._gaps.add(f"roles:{GROUP}")
        return found, stay

    async def _licenses(self, found: list[Product]) -> None:
        for product in found:
            key = product.role.key
            if product.unread or await self._is_poorer(product):
                self._gaps.add(f"licenses:{key}", f"the licenses of {key}: {product.unread or product.difference}")
                continue
            if product.is_far:
                self._missing.append(f"licenses of {key}: {product.difference}")
            elif product.differs:
                self._run.notes.append(f"{key}: {product.difference}")
            await self._publisher.add(product.rows(self._site, self._id))
            self._landed = True
        self._progress.end("licenses", self._run.found.rows["licenses"])

    async def _is_poorer(self, product: Product) -> bool:
        """Whether the holders are far from Jira's own count, and farther than those that are known."""
        if not product.is_far:
            return False
        if (known := await self._known()) is None:
            return True  # not known: rather an old snapshot than one that takes licenses away
        return len(product.counted) / max(1, product.used) < known.shares.get(product.role.key, 0.0) - _POORER

    async def _roles(self, held: set[Held]) -> None:
        self._with_roles.update(account for account, _, _ in held)
        await self._publisher.add(
            Role(site=self._site, snapshot_id=self._id, account_id=account, role=role, scope=scope)
            for account, role, scope in sorted(held)
        )
        self._progress.at("roles", self._run.found.rows["roles"])

    async def _exempt(self, groups: Groups) -> None:
        with self._gaps.reading(f"roles:{GROUP}", "who is in the groups that seats.exempt names"):
            named = exempt_groups(self._seats, self._site)
            held, self._lost_groups = await members_of(self._jira, groups, named)
            await self._roles(held)

    def _tell_lost_names(self, found: list[Product]) -> None:
        """Name what the settings of seats have and the site lacks: it would have no effect, and without a word."""
        products = () if "licenses" in self._gaps.lacks else {one.role.key for one in found}
        seen = self._listed | self._only_in_groups.keys() | self._with_roles
        lost = [one for one in exempt_accounts(self._seats, self._site) if one not in seen]
        notes = told(self._seats, products, self._lost_groups, () if "users" in self._gaps.lacks else lost)
        self._run.notes += [note for note in notes if note not in self._run.notes]

    async def _project_types(self) -> None:
        with self._gaps.reading(_TYPES, "of which type each project is"):
            types = await project_types(self._jira)
            await self._publisher.add(
                Project(site=self._site, snapshot_id=self._id, project_key=key, type=kind)
                for key, kind in sorted(types.items())
            )

    async def _looks(self, found: list[Product]) -> None:
        """Learn who looked when, where an organization is named; whatever becomes of that costs nothing else."""
        if not self._organization.id:
            return
        holders = {one.role.key: one.counted for one in found if f"licenses:{one.role.key}" not in self._gaps.lacks}
        looks = Organization(self._organization, self._jira, holders)
        await looks.search(self._settings)
        await self._publisher.add(looks.rows(self._site, self._id))
        if looks.failed:
            self._gaps.add(_LOOKED)
        self._missing += looks.missing()
        self._run.notes += [note for note in looks.notes() if note not in self._run.notes]

    async def _are_roles_due(self) -> bool:
        """Return whether the project roles are to be read; where not, they stay as an earlier snapshot has them."""
        known = None if self._run.roles_due else await self._known()
        at = known.age_of(_PROJECTS) if known else None
        if self._run.roles_due or (known and at is None):
            self._run.roles_due = True
            return True
        self._gaps.add(_PROJECTS)
        note = f"project roles are as read on {_moment(at)}; {_ROLES_AGAIN}" if at is not None else ""
        self._run.notes += [note] if note and note not in self._run.notes else []
        return False

    async def _project_roles(self, groups: Groups) -> None:
        def tell(projects: int, requests: int, seconds: float) -> None:
            log.info(
                "project roles are read now; `reconcile.whole_days` says how often",
                site=self._site,
                projects=projects,
                requests=requests,
                minutes=max(1, round(seconds / 60)),
            )

        roles = ProjectRoles(self._jira, groups, self._settings, self._skip, tell)
        with self._gaps.reading(_PROJECTS, "project roles"):
            async for held in roles.held():
                await self._roles(held)
                self._landed |= bool(held)
            self._name(list(roles.failed), next(map(str, roles.failed.values()), ""))
            self._name(sorted(roles.cut), "a group that holds some cannot be found")
        self._progress.end("roles", self._run.found.rows["roles"])
        for key in roles.forbidden:
            self._gaps.add(f"projects:{key}")
        if count := len(roles.forbidden):
            self._missing.append(f"the roles in {count} projects, which the account may not see")
        self._run.roles_read = _PROJECTS not in self._gaps.lacks and not roles.failed and not roles.cut

    def _name(self, projects: list[str], why: str) -> None:
        for key in projects:
            self._gaps.add(f"projects:{key}")
        if projects:
            more = f" and {len(projects) - _SHOWN} more" if len(projects) > _SHOWN else ""
            words = f"the roles in {', '.join(sorted(projects)[:_SHOWN])}{more}: {why}"
            self._gaps.add(f"projects:{min(projects)}", words)

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
                lacks=self._gaps.lacks,
                reads_as=self._reads_as,
            )
        )

    def _lost_group(self) -> None:
        self._skip("groups gone since they were listed")

    def _skip(self, why: str) -> None:
        self._run.found.skipped[why] += 1


def _instead(known: KnownDirectory | None, part: str) -> str:
    if known is None:
        return ""
    at = known.age_of(part)
    return "; no earlier run has read it" if at is None else f"; reports go on with what was read on {_moment(at)}"


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
