"""Issues as a search finds them."""

import msgspec

from reconcile.shapes.entries import Comments
from reconcile.shapes.people import Person


class Project(msgspec.Struct, rename="camel", frozen=True):
    """A project."""

    key: str | None = None
    id: int | str | None = None


class IssueFields(msgspec.Struct, rename="camel", frozen=True):
    """The fields that a backfill asks for."""

    creator: Person | None = None
    created: int | str | None = None
    project: Project | None = None
    comment: Comments | None = None


class Issue(msgspec.Struct, rename="camel", frozen=True):
    """An issue."""

    id: int | str
    key: str | None = None
    fields: IssueFields = IssueFields()


class SearchPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a search; short ones are normal, the last has no token (Atlassian docs)."""

    issues: list[msgspec.Raw] = []
    next_page_token: str | None = None
    is_last: bool | None = None


ISSUE = msgspec.json.Decoder(Issue)
