"""Responses about who there is: accounts, groups, products and project roles, and the site and caller themselves."""

import msgspec

from rollcall.jira.values import AccountType, account_id, account_type


class Person(msgspec.Struct, rename="camel", frozen=True):
    """An account. ``emailAddress`` may be null, absent or blank; ``active`` has been seen as text (captures)."""

    account_id: str | None = None
    account_type: str | None = None
    display_name: str | None = None
    email_address: str | None = None
    active: bool | str | None = None

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
        return self.active not in (False, "false")


PERSON = msgspec.json.Decoder(Person)


class Group(msgspec.Struct, rename="camel", frozen=True):
    """A group: known by its id, shown by its name, which can be changed at any time."""

    group_id: str | None = None
    name: str | None = None


class ApplicationRole(msgspec.Struct, rename="camel", frozen=True):
    """A product: which groups give access to it, and its seats. ``platform`` marks Jira Core (OpenAPI file)."""

    key: str
    group_details: list[Group] = []
    number_of_seats: int | None = None
    user_count: int | None = None
    has_unlimited_seats: bool | None = None
    platform: bool | None = None


class GroupPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of groups."""

    values: list[Group] = []
    is_last: bool | None = None
    max_results: int | None = None

    @property
    def size(self) -> int:
        """How many groups."""
        return len(self.values)

    @property
    def keys(self) -> list[Group]:
        """What tells them apart."""
        return self.values


class MemberPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a group's members."""

    values: list[Person] = []
    is_last: bool | None = None
    max_results: int | None = None

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.values)

    @property
    def keys(self) -> list[Person]:
        """What tells them apart."""
        return self.values


class UserPage(msgspec.Struct, frozen=True):
    """A page of users, which Jira sends as a bare array."""

    values: list[msgspec.Raw] = []
    is_last: bool | None = None
    max_results: int | None = None

    @property
    def size(self) -> int:
        """How many users."""
        return len(self.values)

    @property
    def keys(self) -> list[bytes]:
        """The users as Jira sent them."""
        return [bytes(user) for user in self.values]


class NamedProject(msgspec.Struct, rename="camel", frozen=True):
    """A project in the list of projects."""

    key: str
    id: int | str | None = None


class ProjectPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of projects."""

    values: list[NamedProject] = []
    is_last: bool | None = None
    max_results: int | None = None
    total: int | None = None

    @property
    def size(self) -> int:
        """How many projects."""
        return len(self.values)

    @property
    def keys(self) -> list[NamedProject]:
        """What tells them apart."""
        return self.values


class RoleActor(msgspec.Struct, rename="camel", frozen=True):
    """Who holds a project role: an account or a group."""

    actor_user: Person | None = None
    actor_group: Group | None = None


class ProjectRole(msgspec.Struct, rename="camel", frozen=True):
    """A role in one project."""

    name: str | None = None
    actors: list[RoleActor] = []


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
