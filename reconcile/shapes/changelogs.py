"""Changelog entries, by the issue."""

import msgspec

from reconcile.shapes.people import Person

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
