"""An act: one thing somebody did on the site, with all that Jira could ever tell about it."""

from typing import Literal

import msgspec

from simulator.company.person import NEVER

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
        seq: Position in the issue's story.
        kind: What was done.
        actor: Index of who did it.
        issue: The issue right after.
        stamp: ``timestamp`` of the webhook that tells of it.
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
