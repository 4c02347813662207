"""Products, groups, project roles."""

import msgspec

from reconcile.shapes.people import Person


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


class MemberPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a group's members."""

    values: list[Person] = []
    is_last: bool | None = None
    max_results: int | None = None

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.values)


class UserPage(msgspec.Struct, frozen=True):
    """A page of users, which Jira sends as a bare array."""

    values: list[msgspec.Raw] = []
    is_last: bool | None = None
    max_results: int | None = None

    @property
    def size(self) -> int:
        """How many users."""
        return len(self.values)


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


class RoleActor(msgspec.Struct, rename="camel", frozen=True):
    """Who holds a project role: an account or a group."""

    actor_user: Person | None = None
    actor_group: Group | None = None


class ProjectRole(msgspec.Struct, rename="camel", frozen=True):
    """A role in one project."""

    name: str | None = None
    actors: list[RoleActor] = []
