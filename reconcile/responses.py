"""The parts of Jira's responses that Rollcall looks at, and nothing else: no text that people wrote is decoded.

First what happened: pages of issues, comments, worklogs and changelog entries, each element as raw JSON, which
`rollcall.facts` reads as it does those in webhooks. Then who there is: accounts, groups, products and project roles,
and the site and caller themselves.

The list of a page has to be there: an answer without it, such as an error with status 200, is no empty page. Numbers
and truth values may come as text, as some gateways write them.
"""

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

import msgspec

from reconcile.client.jira_errors import Needed, TolerantDecoder
from rollcall.facts import Entity
from rollcall.jira.values import ABSENT, AccountType, account_id, account_type, read_or_none


class Comments(msgspec.Struct, rename="camel", frozen=True):
    """Some comments of an issue, and how many it has in all."""

    comments: list[msgspec.Raw]
    total: int | None = None
    start_at: int | None = None
    max_results: int | None = None

    @property
    def keys(self) -> list[bytes]:
        """What tells them apart: as Jira sent them."""
        return [bytes(comment) for comment in self.comments]

    @property
    def ids(self) -> set[str]:
        """The ids of those that have one."""
        numbers = (read_or_none(_NUMBERED, comment) for comment in self.comments)
        return {str(found.id) for found in numbers if found and found.id is not None}


class Touched(msgspec.Struct, rename="camel", frozen=True):
    """A worklog that was touched, and when (epoch ms)."""

    worklog_id: int | str
    updated_time: int | str


class WorklogFeed(msgspec.Struct, rename="camel", frozen=True):
    """A page of the feed of touched or deleted worklogs."""

    values: list[msgspec.Raw]
    until: int | None = None
    next_page: str | None = None
    last_page: bool | None = None


TOUCHED = msgspec.json.Decoder(Touched, strict=False)
ENTITY = msgspec.json.Decoder(Entity)
EMBEDDED = msgspec.json.Decoder(Comments, strict=False)
"""Those that come with an issue."""


class Changes(msgspec.Struct, frozen=True):
    """The changelog entries that come with an issue, newest first, and how many it has in all."""

    histories: list[msgspec.Raw]
    total: int | None = None


class Worklogs(msgspec.Struct, frozen=True):
    """The worklogs that come with an issue: the first ones."""

    worklogs: list[msgspec.Raw]


class _WorklogField(msgspec.Struct, frozen=True):
    worklog: msgspec.Raw = ABSENT


class Expanded(msgspec.Struct, frozen=True):
    """An issue with its changes and worklogs, where they were asked for."""

    changelog: msgspec.Raw = ABSENT
    fields: _WorklogField = _WorklogField()


EXPANDED = msgspec.json.Decoder(Expanded)
CHANGES = msgspec.json.Decoder(Changes, strict=False)
WORKLOGS_OF = msgspec.json.Decoder(Worklogs)


class _Numbered(msgspec.Struct, frozen=True):
    id: int | str | None = None


_NUMBERED = msgspec.json.Decoder(_Numbered)


class SearchPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a search; short ones are normal, the last has no token (Atlassian docs)."""

    issues: list[msgspec.Raw]
    next_page_token: Needed[str | None] = None
    is_last: bool | None = None

    @property
    def keys(self) -> list[str | bytes]:
        """What tells them apart: their ids, and of one without an id what Jira sent."""
        numbers = ((issue, read_or_none(_NUMBERED, issue)) for issue in self.issues)
        return [str(found.id) if found and found.id is not None else bytes(issue) for issue, found in numbers]


class History(msgspec.Struct, frozen=True):
    """A changelog entry. ``created`` may be ISO text, epoch ms, or epoch ms as text (OpenAPI file, clients)."""

    id: msgspec.Raw = ABSENT
    author: msgspec.Raw = ABSENT
    created: msgspec.Raw = ABSENT
    items: msgspec.Raw = ABSENT


class IssueHistories(msgspec.Struct, rename="camel", frozen=True):
    """Some of an issue's entries."""

    issue_id: int | str | None = None
    change_histories: list[msgspec.Raw] = []


class ChangelogPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of changelog/bulkfetch: one issue may span pages, those without history are absent."""

    issue_change_logs: list[msgspec.Raw]
    next_page_token: Needed[str | None] = None

    @property
    def keys(self) -> list[bytes]:
        """What tells them apart: as Jira sent them."""
        return [bytes(issue) for issue in self.issue_change_logs]


class ChangelogEntries(msgspec.Struct, rename="camel", frozen=True):
    """A page of one issue's entries, oldest first."""

    values: list[msgspec.Raw]
    is_last: bool | None = None
    max_results: int | None = None
    total: int | None = None

    @property
    def size(self) -> int:
        """How many entries."""
        return len(self.values)

    @property
    def keys(self) -> list[bytes]:
        """What tells them apart: as Jira sent them."""
        return [bytes(entry) for entry in self.values]


class IssueWithHistories(msgspec.Struct, rename="camel", frozen=True):
    """An issue that a search gave with its newest entries, where it did."""

    id: int | str | None = None
    changelog: Changes | None = None


class HistoriesById(msgspec.Struct, frozen=True):
    """Entries requested by id."""

    histories: list[msgspec.Raw] = []


HISTORIES = msgspec.json.Decoder(IssueHistories)
HISTORY = msgspec.json.Decoder(History)
WITH_HISTORIES = msgspec.json.Decoder(IssueWithHistories, strict=False)


class Person(msgspec.Struct, rename="camel", frozen=True):
    """An account. ``emailAddress`` may be null, absent or blank; ``active`` has been seen as text (captures)."""

    account_id: str | None = None
    account_type: str | None = None
    display_name: str | None = None
    email_address: str | None = None
    active: bool | str | int | None = None

    @property
    def known_id(self) -> str:
        """The account id; empty when there is none that could be one person's."""
        try:
            return account_id(self.account_id)
        except ValueError:
            return ""

    @property
    def known_type(self) -> AccountType:
        """The account's type; empty when Jira does not say or calls it unknown."""
        return account_type(self.account_type)

    @property
    def is_active(self) -> bool:
        """Jira's own flag; active when it is missing."""
        return str(self.active).strip().lower() not in ("false", "0")


PERSON = TolerantDecoder(Person)


class Group(msgspec.Struct, rename="camel", frozen=True):
    """A group: known by its id, shown by its name, which can be changed at any time."""

    group_id: str | None = None
    name: str | None = None


class ApplicationRole(msgspec.Struct, rename="camel", frozen=True):
    """A product: which groups give access to it, which of them somebody new is put into, and its seats.

    ``platform`` marks Jira Core (OpenAPI file).
    """

    key: str
    group_details: list[Group] | None = None
    default_groups_details: list[Group] | None = None
    number_of_seats: int | None = None
    user_count: int | None = None
    has_unlimited_seats: bool | None = None
    platform: bool | None = None


PRODUCT = TolerantDecoder(ApplicationRole)


class NamedProject(msgspec.Struct, rename="camel", frozen=True):
    """A project in the list of projects."""

    key: str
    id: int | str | None = None
    project_type_key: str | None = None


T = TypeVar("T", bound=Hashable)


class _Page(msgspec.Struct, Generic[T], rename="camel", frozen=True):
    values: list[T]
    is_last: bool | None = None
    max_results: int | None = None
    total: int | None = None

    @property
    def size(self) -> int:
        """How many elements."""
        return len(self.values)

    @property
    def keys(self) -> Sequence[Hashable]:
        """What tells them apart."""
        return self.values


class GroupPage(_Page[Group], frozen=True):
    """A page of groups."""


class MemberPage(_Page[Person], frozen=True):
    """A page of a group's members."""


class ProjectPage(_Page[NamedProject], frozen=True):
    """A page of projects."""


class UserPage(_Page[msgspec.Raw], frozen=True):
    """A page of users, which Jira sends as a bare array."""

    @property
    def keys(self) -> Sequence[Hashable]:
        """The users as Jira sent them."""
        return [bytes(user) for user in self.values]


class RoleActor(msgspec.Struct, rename="camel", frozen=True):
    """Who holds a project role: an account or a group."""

    actor_user: Person | None = None
    actor_group: Group | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is one of the two, with the id that it needs."""
        if self.actor_user:
            return bool(self.actor_user.account_id)
        return self.actor_group is not None and bool(self.actor_group.group_id)


class ProjectRole(msgspec.Struct, rename="camel", frozen=True):
    """A role in one project."""

    name: str | None = None
    actors: list[RoleActor] | None = None


class ProductAccess(msgspec.Struct, rename="camel", frozen=True):
    """One of an account's products: its ARI names type and site. ``key`` is not looked at, it misleads (production)."""

    id: str | None = None
    last_active_timestamp: msgspec.Raw = ABSENT


class OrganizationUser(msgspec.Struct, rename="camel", frozen=True):
    """An account in an answer of the organization (schema in jira.js; one connector)."""

    account_id: str
    added_to_org: str | None = None
    product_access: list[ProductAccess] | None = None


class OrganizationLinks(msgspec.Struct, frozen=True):
    """The cursor of the next page; none on the last."""

    next: str | None = None


class OrganizationPage(msgspec.Struct, frozen=True):
    """A page of the organization's accounts."""

    data: list[msgspec.Raw]
    links: OrganizationLinks | None = None


ORGANIZATION_USER = msgspec.json.Decoder(OrganizationUser)


class Myself(msgspec.Struct, rename="camel", frozen=True):
    """The caller; Jira reads times in JQL in this time zone."""

    account_id: str | None = None
    account_type: str | None = None
    time_zone: str | None = None


class ServerInfo(msgspec.Struct, rename="camel", frozen=True):
    """The site's clock."""

    server_time: str | None = None
    deployment_type: str | None = None


class Permission(msgspec.Struct, rename="camel", frozen=True):
    """Whether the caller holds a permission."""

    have_permission: bool = False


class Permissions(msgspec.Struct, frozen=True):
    """The caller's permissions, by key."""

    permissions: dict[str, Permission] = {}
