"""Edits one issue, act by act, with the comments and worklogs that are alive in it."""

import random
from typing import Literal

from msgspec.structs import replace

from simulator.company.project import Project, projects
from simulator.config import SiteConfig
from simulator.life import field_values
from simulator.life.act import Act, Attached, Entry, Issue, Item, Kind
from simulator.life.act import Family as Held
from simulator.life.birth import FIRST_ID, PARTS, Birth, part_id
from simulator.life.changes import Change

Family = Literal["comment", "worklog"]
"""What an issue holds that makes facts."""


class IssueEditor:
    """Holds one issue while its lifecycle is computed; ``acts`` is its lifecycle so far, in order of time.

    Times measured on Jira Cloud captures: a webhook's ``timestamp`` equals the comment's or worklog's
    ``updated``, is 0-81 ms later than ``fields.updated`` and 52-356 ms later than ``fields.created``; REST's
    ``history.created`` is 1-7 ms after ``fields.updated``, and about 17 ms after ``worklog.created``.
    """

    __slots__ = ("_authored", "_histories", "_made", "acts", "attached", "config", "issue", "live", "projects", "rng")

    def __init__(self, config: SiteConfig, birth: Birth, rng: random.Random) -> None:
        """Begin with the creation of the issue."""
        self.config = config
        self.rng = rng
        self.projects: tuple[Project, ...] = projects(config)
        self.acts: list[Act] = []
        self.live: dict[Family, list[Entry]] = {"comment": [], "worklog": []}
        self.attached = Attached()
        self._made: dict[Family, int] = {"comment": 0, "worklog": 0}
        self._authored: dict[tuple[Family, int], list[Act]] = {}
        self._histories = 0
        self.issue = Issue(
            id=birth.issue_id,
            number=birth.issue_id - FIRST_ID + 1,
            project=birth.project,
            type=4 if self.projects[birth.project].type == "service_desk" else int(rng.random() * 4),
            creator=birth.creator,
            reporter=birth.creator,
            created=birth.at,
            updated=birth.at,
            priority=1 + int(rng.random() * 3),
        )
        items: tuple[Item, ...] = (
            ("priority", "priority", "jira", None, None, *field_values.PRIORITIES[self.issue.priority]),
            ("reporter", "reporter", "jira", None, None, f"@{birth.creator}", f"@{birth.creator}"),
            ("Status", "status", "jira", None, None, "10001", "To Do"),
            ("summary", "summary", "jira", None, None, None, field_values.words(self.issue.number, 5)),
        )
        act = self._add("issue_created", birth.at, birth.creator, birth.at + rng.randint(52, 356))
        # The webhook of a creation carries a changelog with an id of its own, which REST never lists.
        act.history, act.items, act.event = part_id(birth.issue_id, 0), items, "issue_created"

    def change(self, at: int, actor: int, change: Change, *, bulk: bool = False) -> Act:
        """Change fields of the issue."""
        event, items, issue = change
        self.issue = replace(issue, updated=at)
        act = self._add("issue_changed", at, actor, at + int(self.rng.random() * 82))
        self._write(act, items)
        act.event, act.bulk = event, bulk
        act.victims = self.attached.follow(act)
        return act

    def touch(self, at: int, actor: int) -> Act:
        """Update the issue in a way that Jira announces without a changelog."""
        self.issue = replace(self.issue, updated=at)
        act = self._add("issue_touched", at, actor, at + int(self.rng.random() * 82))
        act.event = "issue_updated"
        return act

    def create(self, family: Family, at: int, actor: int, started: int = 0) -> Act:
        """Add a comment or a worklog."""
        number = self._made[family] = self._made[family] + 1
        if number >= PARTS:
            raise ValueError(f"an issue holds at most {PARTS - 1} {family}s here")
        seconds = 900 * (1 + int(self.rng.random() * 24)) if family == "worklog" else 0
        text = int(self.rng.random() * 1_000_000)
        entry = Entry(part_id(self.issue.id, number), actor, actor, at, at, text, seconds, started or at)
        self.live[family].append(entry)
        self._count(family, at, seconds, 1)
        act = self._add("comment_created" if family == "comment" else "worklog_created", at, actor, at, entry)
        if family == "worklog":
            self._write(act, self._worklog_items(None, str(entry.id), seconds))
            act.event = "issue_work_logged"
        else:
            act.event = "issue_commented"
        self._authored[family, entry.id] = [act]
        return act

    def edit(self, family: Family, place: int, at: int, actor: int) -> Act:
        """Edit the live comment or worklog at this place."""
        old = self.live[family][place]
        seconds = 900 * (1 + int(self.rng.random() * 24)) if family == "worklog" else 0
        entry = replace(old, editor=actor, updated=at, text=old.text + 1, seconds=seconds)
        self.live[family][place] = entry
        self._count(family, at, seconds - old.seconds, 0)
        act = self._add("comment_edited" if family == "comment" else "worklog_edited", at, actor, at, entry)
        if family == "worklog":
            self._write(act, self._worklog_items(str(entry.id), str(entry.id), seconds - old.seconds))
            act.event = "issue_worklog_updated"
        else:
            act.event = "issue_comment_edited"
        before = self._authored[family, entry.id]
        if len(before) > 1:
            before.pop().until = at
        before.append(act)
        return act

    def touch_entry(self, family: Family, place: int, at: int, actor: int) -> Act:
        """Announce an update of a comment or worklog that left ``updated`` where it was: no edit."""
        entry = self.live[family][place]
        kind: Kind = "comment_touched" if family == "comment" else "worklog_touched"
        return self._add(kind, at, actor, at, entry)

    def delete(self, family: Family, place: int, at: int, actor: int) -> Act:
        """Delete the live comment or worklog at this place."""
        entry = self.live[family].pop(place)
        self._count(family, at, -entry.seconds, -1)
        stamp = at + int(self.rng.random() * 30)
        act = self._add("comment_deleted" if family == "comment" else "worklog_deleted", at, actor, stamp, entry)
        if family == "worklog":
            self._write(act, self._worklog_items(str(entry.id), None, -entry.seconds))
            act.event = "issue_worklog_deleted"
        else:
            named = str(entry.id) if self.config.comment_id_in_history else None
            old = field_values.words(entry.text, 6)
            self._write(act, (("Comment", "comment", "jira", named, old, None, None),))
            act.event = "issue_comment_deleted"
        for earlier in self._authored.pop((family, entry.id)):
            earlier.until = at
        return act

    def delete_issue(self, at: int, actor: int) -> Act:
        """Delete the issue with everything in it; its lifecycle ends."""
        self.issue = replace(self.issue)
        act = self._add("issue_deleted", at, actor, at + int(self.rng.random() * 30))
        victims: list[tuple[Held, Entry]] = [
            (family, entry) for family, entries in self.live.items() for entry in entries
        ]
        act.victims = (*victims, *self.attached.everything())
        for earlier in self.acts:
            earlier.gone = at
        return act

    def _add(self, kind: Kind, at: int, actor: int, stamp: int, entry: Entry | None = None) -> Act:
        act = Act(at, len(self.acts), kind, actor, self.issue, stamp, entry)
        self.acts.append(act)
        return act

    def _count(self, family: Family, at: int, seconds: int, number: int) -> None:
        """Book the act on the issue. A worklog's entry in the changelog follows it by some ms."""
        if family == "comment":
            self.issue = replace(self.issue, updated=at, comments=self.issue.comments + number)
        else:
            spent, count = self.issue.spent + seconds, self.issue.worklogs + number
            self.issue = replace(self.issue, updated=at + 13, spent=spent, worklogs=count)

    def _worklog_items(self, old: str | None, new: str | None, change: int) -> tuple[Item, ...]:
        after = self.issue.spent
        before = str(after - change) if after != change else None
        return (
            ("timeestimate", "timeestimate", "jira", None, None, "0", "0"),
            ("timespent", "timespent", "jira", before, before, str(after), str(after)),
            ("WorklogId", None, "jira", old, old, new, new),
        )

    def _write(self, act: Act, items: tuple[Item, ...]) -> None:
        """Write the act's entry in the changelog, now and then with a field name in another language."""
        self._histories += 1
        if self._histories >= PARTS:
            raise ValueError(f"an issue holds at most {PARTS - 1} changelog entries here")
        if self.rng.random() < self.config.localized_share:
            items = tuple((field_values.LOCALIZED.get(item[0], item[0]), *item[1:]) for item in items)
        act.history = part_id(self.issue.id, self._histories)
        act.history_at = self.issue.updated + 1 + int(self.rng.random() * 7)
        act.items = items
