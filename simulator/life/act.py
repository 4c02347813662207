"""An act: one thing somebody did on the site, with all that Jira could say of it, and the issue it was done to.

Attachments and links are read from the changelog: they make no facts, but their deletions name them.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from simulator.company.person import NEVER
from simulator.life.birth import FIRST_ID

Kind = Literal[
    "issue_created", "issue_changed", "issue_touched", "issue_deleted",
    "comment_created", "comment_edited", "comment_touched", "comment_deleted",
    "worklog_created", "worklog_edited", "worklog_touched", "worklog_deleted",
]  # fmt: skip
"""``touched`` is an update that Jira announces although nothing that counts has changed."""

Item = tuple[str, str | None, str, str | None, str | None, str | None, str | None]
"""One changelog item: field, fieldId, fieldtype, from, fromString, to, toString."""


class Issue(msgspec.Struct, frozen=True, gc=False):
    """An issue as it stood right after an act. People are indexes, times epoch ms."""

    id: int
    number: int
    project: int
    type: int
    creator: int
    reporter: int
    created: int
    updated: int
    status: int = 0
    priority: int = 2
    assignee: int = -1
    summary: int = 0
    labels: int = 0
    spent: int = 0
    sprint: int = 0
    attachments: int = 0
    comments: int = 0
    worklogs: int = 0


Family = Literal["comment", "worklog", "attachment", "issuelink"]
"""What an issue holds."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A comment, worklog, attachment or link as it stood.

    ``seconds`` and ``started`` are of worklogs alone; ``text`` is, of a link, the id of the issue at its other end.
    """

    id: int
    author: int
    editor: int
    created: int
    updated: int
    text: int
    seconds: int = 0
    started: int = 0


class Act(msgspec.Struct, gc=False):
    """One act.

    Attributes:
        at: The entity's own time, epoch ms.
        seq: Position in the issue's lifecycle.
        kind: What was done.
        actor: Index of who did it.
        issue: The issue right after.
        stamp: ``timestamp`` of the webhook about it.
        entry: The comment or worklog, after; for a deletion, as it last was.
        history: Changelog id, 0 when the act writes no entry.
        history_at: ``created`` of that entry in REST.
        items: What changed, with ids of accounts still as indexes behind an ``@``.
        event: issue_event_type_name of the issue's webhook.
        bulk: Whether it is one of many changes made at once.
        until: When REST forgets the comment's or worklog's side of the act: overwritten or deleted.
        gone: When the issue is deleted, and REST forgets everything.
        victims: What a deletion takes along: of an issue, all that lives in it; of an attachment, that alone.
    """

    at: int
    seq: int
    kind: Kind
    actor: int
    issue: Issue
    stamp: int
    entry: Entry | None = None
    history: int = 0
    history_at: int = 0
    items: tuple[Item, ...] = ()
    event: str = ""
    bulk: bool = False
    until: int = NEVER
    gone: int = NEVER
    victims: tuple[tuple[Family, Entry], ...] = ()


class Attached:
    """What is attached to one issue while its lifecycle is computed."""

    __slots__ = ("_files", "_links")

    def __init__(self) -> None:
        """Begin without anything."""
        self._files: dict[int, Entry] = {}
        self._links: list[Entry] = []

    def follow(self, act: Act) -> tuple[tuple[Literal["attachment"], Entry], ...]:
        """Apply a change of the issue; returns the attachments that it removes, as they were made."""
        gone = [self._files.pop(int(item[3])) for item in act.items if item[1] == "attachment" and item[3]]
        self._files |= {entry.id: entry for entry in attachments(act)}
        self._links += links(act)
        return tuple(("attachment", entry) for entry in gone)

    def everything(self) -> Iterator[tuple[Literal["attachment", "issuelink"], Entry]]:
        """Yield what is there."""
        for entry in self._files.values():
            yield "attachment", entry
        for entry in self._links:
            yield "issuelink", entry


def attachments(act: Act) -> Iterator[Entry]:
    """Yield the attachments that an act makes."""
    for _field, field_id, _kind, _old, _old_text, new, _text in act.items:
        if field_id == "attachment" and new:
            yield Entry(int(new), act.actor, act.actor, act.at, act.at, 0)


def links(act: Act) -> Iterator[Entry]:
    """Yield the links that an act makes: the other issue is the one whose key the changelog names."""
    for field, _id, _kind, _old, _old_text, new, _text in act.items:
        if field == "Link" and new:
            other = int(new.rpartition("-")[2]) + FIRST_ID - 1
            yield Entry(act.history, act.actor, act.actor, act.at, act.at, other)
