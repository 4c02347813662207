"""Responses about what happened: pages of issues, comments, worklogs and changelog entries, each element as raw JSON.

The elements themselves are read by `rollcall.facts`, as those in webhooks are.
"""

import msgspec

from rollcall.facts import Entity
from rollcall.jira.values import ABSENT, read_or_none


class Comments(msgspec.Struct, rename="camel", frozen=True):
    """Some comments of an issue, and how many it has in all."""

    comments: list[msgspec.Raw] = []
    total: int | None = None
    start_at: int | None = None
    max_results: int | None = None

    @property
    def keys(self) -> list[bytes]:
        """What tells them apart: as Jira sent them."""
        return [bytes(comment) for comment in self.comments]


class Touched(msgspec.Struct, rename="camel", frozen=True):
    """A worklog that was touched, and when (epoch ms)."""

    worklog_id: int | str
    updated_time: int | str


class WorklogFeed(msgspec.Struct, rename="camel", frozen=True):
    """A page of the feed of touched or deleted worklogs."""

    values: list[msgspec.Raw] = []
    until: int | None = None
    next_page: str | None = None
    last_page: bool | None = None


TOUCHED = msgspec.json.Decoder(Touched)
ENTITY = msgspec.json.Decoder(Entity)
EMBEDDED = msgspec.json.Decoder(Comments)
"""Those that come with an issue."""


class _Numbered(msgspec.Struct, frozen=True):
    id: int | str | None = None


_NUMBERED = msgspec.json.Decoder(_Numbered)


class SearchPage(msgspec.Struct, rename="camel", frozen=True):
    """A page of a search; short ones are normal, the last has no token (Atlassian docs)."""

    issues: list[msgspec.Raw] = []
    next_page_token: str | None = None
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

    issue_change_logs: list[msgspec.Raw] = []
    next_page_token: str | None = None

    @property
    def keys(self) -> list[bytes]:
        """What tells them apart: as Jira sent them."""
        return [bytes(issue) for issue in self.issue_change_logs]


class HistoriesById(msgspec.Struct, frozen=True):
    """Entries requested by id."""

    histories: list[msgspec.Raw] = []


HISTORIES = msgspec.json.Decoder(IssueHistories)
HISTORY = msgspec.json.Decoder(History)
