"""What the site stores of its acts for looking things up: when each issue changed, and the worklog feeds.

Everything else is computed again from the issue's id when a request needs it.
"""

import bisect
from collections import deque

import msgspec

from simulator.config import SiteConfig
from simulator.life.act import Act
from simulator.life.stream import acts


class Row(msgspec.Struct):
    """An issue in the search index."""

    id: int
    created: int
    updated: int
    project: int


class Feed:
    """Worklog ids by the time of what happened to them, oldest first."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: list[tuple[int, int]] = []
        self._latest: dict[int, int] = {}

    def add(self, at: int, worklog: int) -> None:
        """Append; acts come in order of time."""
        self._entries.append((at, worklog))
        self._latest[worklog] = at

    def drop(self, worklog: int) -> None:
        """Forget a worklog."""
        self._latest.pop(worklog, None)

    def read(self, since: int, until: int) -> list[tuple[int, int]]:
        """Return (ms, id) from ``since`` to before ``until``, each worklog once, at its latest time."""
        first = bisect.bisect_left(self._entries, (since, 0))
        last = bisect.bisect_left(self._entries, (until, 0))
        return [(at, number) for at, number in self._entries[first:last] if self._latest.get(number) == at]


class Index:
    """Follows the site's acts as its clock goes on."""

    def __init__(self, config: SiteConfig) -> None:
        """Begin before the first act."""
        self._acts = acts(config)
        self._next = next(self._acts)
        self._behind: deque[Act] = deque()
        self.rows: dict[int, Row] = {}
        self.updated = Feed()
        self.deleted = Feed()
        self.version = 0

    def follow(self, now: int, searchable: int) -> None:
        """Apply the acts up to ``now``, in the search index those up to ``searchable``; both epoch ms."""
        while self._next.at <= now:
            self._feed(self._next)
            self._behind.append(self._next)
            self._next = next(self._acts)
            self._catch_up(searchable)
        self._catch_up(searchable)

    def _catch_up(self, searchable: int) -> None:
        """Add acts to the search index; at once, since a whole history of them waiting would fill the memory."""
        while self._behind and self._behind[0].at <= searchable:
            self._search(self._behind.popleft())
            self.version += 1

    def remove(self, issue_id: int) -> None:
        """Take an issue out of the search index."""
        if self.rows.pop(issue_id, None):
            self.version += 1

    def _feed(self, act: Act) -> None:
        if act.entry is not None and act.kind in ("worklog_created", "worklog_edited"):
            self.updated.add(act.at, act.entry.id)
        elif act.entry is not None and act.kind == "worklog_deleted":
            self.updated.drop(act.entry.id)
            self.deleted.add(act.at, act.entry.id)
        for family, entry in act.victims:
            # Whether Jira lists the worklogs of a deleted issue as deleted is not known; here it does not.
            if family == "worklog":
                self.updated.drop(entry.id)

    def _search(self, act: Act) -> None:
        issue = act.issue
        if act.kind == "issue_created":
            self.rows[issue.id] = Row(issue.id, issue.created, issue.updated, issue.project)
        elif act.kind == "issue_deleted":
            self.rows.pop(issue.id, None)
        elif row := self.rows.get(issue.id):
            row.updated, row.project = issue.updated, issue.project
