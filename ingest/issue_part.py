"""The issue of an event: which one, in which project, and when it was touched."""

import msgspec

from ingest.shapes import ABSENT, TEXT, id_or_none, read_or_none
from rollcall.identity import jira_id

_LONGEST = 1024
"""Longest text that a record takes."""


class Project(msgspec.Struct, frozen=True):
    """A project."""

    key: str | None = None


class IssueFields(msgspec.Struct, frozen=True):
    """The fields of an issue that tell where and when: six in comment events, all in issue events (captures)."""

    project: Project | None = None
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT


class Issue(msgspec.Struct, frozen=True):
    """An issue."""

    id: int | str | None = None
    key: str | None = None
    fields: IssueFields | None = None

    def number(self) -> int:
        """Return the id, 0 when there is none."""
        return number_or_zero(self.id)

    def issue_key(self) -> str:
        """Return the key, empty when there is none or it is endless."""
        return _short(self.key)

    def project_key(self) -> str:
        """Return the project's key, read off the issue's key when the project is not there."""
        project = self.fields.project if self.fields else None
        return (_short(project.key) if project else "") or self.issue_key().rpartition("-")[0]

    def created(self) -> msgspec.Raw:
        """Return ``fields.created``."""
        return self.fields.created if self.fields else ABSENT

    def updated(self) -> msgspec.Raw:
        """Return ``fields.updated``."""
        return self.fields.updated if self.fields else ABSENT


class _IssueParts(msgspec.Struct, frozen=True):
    id: msgspec.Raw = ABSENT
    key: msgspec.Raw = ABSENT
    fields: msgspec.Raw = ABSENT


class _FieldsParts(msgspec.Struct, frozen=True):
    project: msgspec.Raw = ABSENT
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT


NO_ISSUE = Issue()
_ISSUE: msgspec.json.Decoder[Issue | None] = msgspec.json.Decoder(Issue | None)
_ISSUE_PARTS: msgspec.json.Decoder[_IssueParts | None] = msgspec.json.Decoder(_IssueParts | None)
_FIELDS_PARTS: msgspec.json.Decoder[_FieldsParts | None] = msgspec.json.Decoder(_FieldsParts | None)
_PROJECT: msgspec.json.Decoder[Project | None] = msgspec.json.Decoder(Project | None)


def read_issue(part: msgspec.Raw) -> Issue:
    """Read an issue; what it lacks or has in another form is None, for nothing of it must spoil an act."""
    try:
        return (_ISSUE.decode(part) if part else None) or NO_ISSUE
    except ValueError:
        return _piece_by_piece(part)


def number_or_zero(value: object) -> int:
    """Return an id that the fact can do without."""
    try:
        return jira_id(value)
    except ValueError:
        return 0


def _piece_by_piece(part: msgspec.Raw) -> Issue:
    issue = read_or_none(_ISSUE_PARTS, part) or _IssueParts()
    fields = read_or_none(_FIELDS_PARTS, issue.fields) or _FieldsParts()
    project = read_or_none(_PROJECT, fields.project)
    return Issue(
        id_or_none(issue.id),
        read_or_none(TEXT, issue.key),
        IssueFields(project, fields.created, fields.updated),
    )


def _short(text: str | None) -> str:
    return text if text and len(text) <= _LONGEST else ""
