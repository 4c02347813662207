"""Responses about what happened: issues as a search finds them, their comments, worklogs and changelog entries."""

import msgspec

from reconcile.responses.membership import Person
from rollcall.jira.values import IssueRef, issue_ref


class Comment(msgspec.Struct, rename="camel", frozen=True):
    """A comment, without its text."""

    id: int | str
    author: Person | None = None
    update_author: Person | None = None
    created: int | str | None = None
    updated: int | str | None = None


class Worklog(Comment, rename="camel", frozen=True):
    """A worklog: when it was logged, not when the work was ``started``."""

    issue_id: int | str | None = None


class Comments(msgspec.Struct, rename="camel", frozen=True):
    """Some comments of an issue, and how many it has in all."""

    comments: list[msgspec.Raw] = []
    total: int | None = None
    start_at: int | None = None
    max_results: int | None = None


class Touched(msgspec.Struct, rename="camel", frozen=True):
    """A worklog that was touched, and when (epoch ms)."""

    worklog_id: int | str
    updated_time: int | str


class WorklogFeed(msgspec.Struct, rename="camel", frozen=True):
    """A page of the feed of touched or deleted worklogs."""

    values: list[Touched] = []
    until: int | None = None
    next_page: str | None = None
    last_page: bool | None = None


COMMENT = msgspec.json.Decoder(Comment)
WORKLOG = msgspec.json.Decoder(Worklog)


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

    def ref(self) -> IssueRef:
        """Return where the facts of the issue belong."""
        return issue_ref(self.id, self.key, self.fields.project.key if self.fields.project else None)


class SearchPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a search; short ones are normal, the last has no token (Atlassian docs)."""

    issues: list[msgspec.Raw] = []
    next_page_token: str | None = None
    is_last: bool | None = None


ISSUE = msgspec.json.Decoder(Issue)

_EMPTY = (b"", b"null", b'""')
_ABSENT = msgspec.Raw()


class Item(msgspec.Struct):
    """One changed field. ``fromString`` and ``toString`` hold what people wrote: only their emptiness is looked at."""

    field: str | None = None
    fieldId: str | None = None  # noqa: N815 - Jira's own name
    from_: str | int | None = msgspec.field(name="from", default=None)
    to: str | int | None = None
    from_text: msgspec.Raw = msgspec.field(name="fromString", default=_ABSENT)
    to_text: msgspec.Raw = msgspec.field(name="toString", default=_ABSENT)

    @property
    def old_id(self) -> str:
        """Id of the old value; empty when there is none."""
        return "" if self.from_ is None else str(self.from_).strip()

    @property
    def new_id(self) -> str:
        """Id of the new value; empty when there is none."""
        return "" if self.to is None else str(self.to).strip()

    @property
    def removes(self) -> bool:
        """Whether something was there before and nothing is there now."""
        had = bool(self.old_id) or bytes(self.from_text) not in _EMPTY
        return had and not self.new_id and bytes(self.to_text) in _EMPTY


class History(msgspec.Struct, frozen=True):
    """A changelog entry. ``created`` may be ISO text, epoch ms, or epoch ms as text (OpenAPI file, clients)."""

    id: int | str
    author: Person | None = None
    created: int | str | None = None
    items: list[Item] = []


class IssueHistories(msgspec.Struct, rename="camel", frozen=True):
    """Some of an issue's entries."""

    issue_id: int | str
    change_histories: list[msgspec.Raw] = []


class ChangelogPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of changelog/bulkfetch: one issue may span pages, those without history are absent."""

    issue_change_logs: list[IssueHistories] = []
    next_page_token: str | None = None


class HistoriesById(msgspec.Struct, frozen=True):
    """Entries asked for by id."""

    histories: list[msgspec.Raw] = []


HISTORY = msgspec.json.Decoder(History)
