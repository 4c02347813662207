"""Comments and worklogs."""

import msgspec

from reconcile.shapes.people import Person


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
