"""Who there is and who may do what: users, licenses, which are holds on a product, their groups, and administrators.

Access to a product takes a seat when the account is active and a person; apps and portal customers take none. Jira Core
is included in every other Jira product (`platform` in the application role), so who holds another one does not count
for jira-core again. The groups come from Jira, by id: no group is known by its name here, and each is read once a run,
however many products and roles name it. Jira's own count of a product's users tells whether its groups are all.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from reconcile.client.endpoints import (
    APPLICATION_ROLES,
    GROUP_MEMBERS,
    GROUPS,
    USERS,
)
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset, decoded_elements, gather_first_error
from reconcile.directory.omissions import Gaps
from reconcile.responses import PERSON, PRODUCT, ApplicationRole, Group, GroupPage, MemberPage, Person, UserPage
from rollcall.jira.values import LONGEST_TEXT, account_id
from rollcall.records import Grant, License, Seats

_USERS = 1000
"""Users a page at most (OpenAPI file)."""
_BEHIND_THE_END = frozenset({400, 404, 416})  # what may be answered to an offset that lies there


async def all_users(
    jira: JiraClient, unreadable: Callable[[], None], cut: Callable[[JiraError], None]
) -> AsyncIterator[list[Person]]:
    """Yield all users with an account id, each once. A hidden e-mail is no reason to leave anybody out.

    Pages are a bare array, may be short and have no particular order; only an empty one is the end, and only when what
    comes after it is empty too: whoever is hidden is left out of a page that was cut before.

    Args:
        jira: Asks.
        unreadable: Called for an element of unknown form, without an account id, or with one that is longer than any.
        cut: Called where Jira takes no further offset, which ends the list.
    """
    beyond, ended = 0, False

    async def ask(start: int) -> UserPage:
        nonlocal beyond
        page = await ask_at(start + beyond)
        if not page.size and not ended and (further := await ask_at(start + beyond + _USERS)).size:
            beyond += _USERS
            return further
        return page

    async def ask_at(start: int) -> UserPage:
        nonlocal ended
        query = {"startAt": start, "maxResults": _USERS}
        try:
            return UserPage(values=await jira.read(list[msgspec.Raw], USERS, query=query))
        except JiraRefusedError as error:
            if not start or error.status not in _BEHIND_THE_END:
                raise
            ended = True
            cut(error)
            return UserPage(values=[])

    seen: set[str] = set()
    async for page in by_offset(USERS, ask, until_empty=True):
        fresh = {}
        for person in decoded_elements(PERSON, page.values, unreadable):
            try:
                known = account_id(person.account_id)
                if not person.account_id:
                    raise ValueError("no account id")
            except ValueError:
                unreadable()
                continue
            if known and known not in seen:
                fresh[known] = person
        seen.update(fresh)
        yield list(fresh.values())


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

        found, total = list[Group](), 0
        async for page in by_offset(GROUPS, ask):
            found += page.values
            total = page.total or 0
        if len(found) < total or not all(group.group_id for group in found):
            raise JiraRefusedError(f"{GROUPS.name}: Jira names {len(found)} of {total or len(found)} groups, or no ids")
        return found

    async def _members(self, group_id: str) -> Members:
        total, people = 0, dict[str | None, Person]()
        # Where one leaves while pages are turned another is passed over, and the total may count who is not active.
        for inactive in (False, True):
            try:
                total, people = await self._people(group_id, inactive=inactive)
            except NotThereError:
                self.lost.add(group_id)
                self._gone()
                return {}
            if len(people) >= total:
                break
        else:
            named = len(people) or "nobody"
            raise JiraRefusedError(f"{GROUP_MEMBERS.name}: Jira counts {total} members and names {named}")
        if None in people:
            raise JiraRefusedError(f"{GROUP_MEMBERS.name}: Jira names members without an account id")
        found = Members()
        for person in people.values():
            if person.known_id and person.is_active:
                found[person.known_id] = person.known_type == "atlassian"
                self._met(person)
        return found

    async def _people(self, group_id: str, *, inactive: bool) -> tuple[int, dict[str | None, Person]]:
        """Return how many members Jira counts, and those that it names, by account id."""
        total = 0

        async def ask(start: int) -> MemberPage:
            nonlocal total
            query = {"groupId": group_id, "includeInactiveUsers": inactive, "startAt": start, "maxResults": _MEMBERS}
            page = await self._jira.read(MemberPage, GROUP_MEMBERS, query=query)
            total = total if page.total is None else page.total
            return page

        pages = by_offset(GROUP_MEMBERS, ask)
        people = {person.account_id: person async for page in pages for person in page.values}
        return total, people


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
        through: The names of all groups that give access, by account: who leaves one of two groups keeps the seat.
        defaults: The names of those of them that somebody new is put into.
        unread: Why its holders are not all there is; empty when they are.
        lost: How many of its groups were lost.
    """

    role: ApplicationRole
    holders: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    through: dict[str, set[str]] = field(default_factory=dict)
    defaults: set[str] = field(default_factory=set)
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
        count = self.role.user_count
        return len(self.holders) if count is None or count < 0 else count

    @property
    def differs(self) -> bool:
        """Whether Jira counts others than the holders. Jira Core's count may be of those who count for it alone."""
        return self.used not in (len(self.holders), len(self.counted))

    @property
    def is_far(self) -> bool:
        """Whether the holders are far from Jira's count."""
        return min(abs(self.used - len(some)) for some in (self.holders, self.counted)) > _NEAR * self.used

    def rows(self, site: str, snapshot_id: int) -> Iterator[License | Grant | Seats]:
        """Return its rows of a snapshot: who counts for it, through which groups, and last its seats."""
        for account in sorted(self.counted):
            yield License(site=site, snapshot_id=snapshot_id, product=self.role.key, account_id=account)
        for account in sorted(self.counted):
            for group in sorted(self.through.get(account, ())):
                yield Grant(
                    site=site,
                    snapshot_id=snapshot_id,
                    product=self.role.key,
                    account_id=account,
                    group=group,
                    is_default=group in self.defaults,
                )
        yield Seats(site=site, snapshot_id=snapshot_id, product=self.role.key, total=self.seats, used=self.used)

    @property
    def difference(self) -> str:
        """The two figures, for people."""
        return f"Jira counts {self.used} seats used, its groups have {len(self.holders)} active people"


async def listed_products(jira: JiraClient, unreadable: Callable[[], None]) -> list[ApplicationRole]:
    """Return the products that Jira lists.

    Args:
        jira: Asks.
        unreadable: Called for an element of unknown form, or without a key.

    Raises:
        JiraError: Jira did not answer, or refused; it takes Administer Jira.
    """
    listed = await jira.read(list[msgspec.Raw], APPLICATION_ROLES)
    if not listed:
        raise JiraRefusedError(f"{APPLICATION_ROLES.name}: Jira names no product, and no site is without one")
    if not (roles := list(decoded_elements(PRODUCT, listed, unreadable))):
        raise JiraRefusedError(f"{APPLICATION_ROLES.name}: Jira names products in an unknown form")
    return roles


async def products(
    roles: Iterable[ApplicationRole], groups: Groups, unread: Mapping[str, str] | None = None, *, whole: bool = True
) -> list[Product]:
    """Return the products of a site with their holders; a product whose groups could not all be read says so.

    Args:
        roles: What Jira says of them.
        groups: The groups of the site.
        unread: Products of which Jira says nothing though there are or were some, by key, and why that is so.
        whole: Whether these are all.

    Raises:
        AccountRefusedError: Jira refuses the account itself.
    """
    found = [Product(ApplicationRole(key), unread=why) for key, why in (unread or {}).items()]
    found += await asyncio.gather(*(_product(role, groups) for role in roles))
    others = [one for one in found if not _is_included(one.role)]
    elsewhere: set[str] = set().union(*(one.holders for one in others))
    known = whole and not any(one.unread for one in others)
    unsure = "" if known else "who counts for it is known only with the holders of the others"
    return [
        replace(one, counted=one.holders - elsewhere, unread=one.unread or unsure) if _is_included(one.role) else one
        for one in found
    ]


async def _product(role: ApplicationRole, groups: Groups) -> Product:
    if role.group_details is None or not all(group.group_id for group in role.group_details):
        return Product(role, unread=f"{APPLICATION_ROLES.name}: Jira does not say which groups give access")
    names = {group.group_id: group.name or group.group_id for group in role.group_details if group.group_id}
    read = dict(zip(names, await asyncio.gather(*(_people(group_id, groups) for group_id in names)), strict=True))
    failed = next((one for one in read.values() if isinstance(one, str)), "")
    through: dict[str, set[str]] = {}
    for group_id, people in read.items():
        for account in () if isinstance(people, str) else people:
            through.setdefault(account, set()).add(names[group_id][:LONGEST_TEXT])
    defaults = {
        names[one.group_id][:LONGEST_TEXT] for one in role.default_groups_details or () if one.group_id in names
    }
    found = Product(role, set(through), set(through), through, defaults, failed, len(names.keys() & groups.lost))
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
            if scope == SITE_ADMIN and not found:
                raise JiraRefusedError(f"{GROUPS.name}: Jira names no group of administrators, and no site is without")
            named.update((group.group_id or "", group.name or group.group_id or "") for group in found)
            for group in found:
                members = await groups.members(group.group_id or "")
                held.update((account, f"{key} {access}" if key else access, scope) for account in members)
            if scope == SITE_ADMIN and any(group.group_id in groups.lost for group in found):
                raise JiraRefusedError(f"{GROUP_MEMBERS.name}: a group of administrators cannot be found")

    requests: list[tuple[str, str, str | None]] = [("site-admin", SITE_ADMIN, None)]
    requests += [(access, PRODUCT_ACCESS, one.role.key) for one in products for access in ("admin", "user")]
    await gather_first_error(with_access(*request) for request in requests)
    for product in products:
        named.update(
            (group.group_id, group.name or group.group_id)
            for group in product.role.group_details or []
            if group.group_id
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
