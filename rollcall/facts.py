"""Facts of acts, made of the same JSON by both readers, webhooks and REST, so that one act is one fact.

A fact is made of raw parts, and only of those it needs: its identity, its time, its actor and where it belongs. What
the others look like never spoils it. A part that it does need and that is none is `NotUnderstoodError`: a dead letter
for ingest, an unreadable element for reconcile.
"""

from collections.abc import Sequence

import msgspec

from rollcall import identity
from rollcall.errors import NotUnderstoodError, OlderThanJiraError
from rollcall.jira.values import (
    ABSENT,
    NOBODY,
    TEXT,
    Account,
    ChangelogItem,
    ImplausibleTimeError,
    IssueRef,
    OldTimeError,
    account_of,
    changed_fields,
    changelog_items,
    id_or_none,
    id_or_zero,
    issue_ref,
    number_or_text,
    parse_jira_time,
    read,
    read_or_none,
)
from rollcall.records import Action, Activity, Family, Source


class Entity(msgspec.Struct, frozen=True):
    """A comment or worklog, without its text; ``issueId`` is the only issue link of a worklog (captures of 2026)."""

    id: msgspec.Raw = ABSENT
    author: msgspec.Raw = ABSENT
    updateAuthor: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT
    issueId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


class Project(msgspec.Struct, frozen=True):
    """A project."""

    key: str | None = None


class IssueFields(msgspec.Struct, frozen=True):
    """The fields of an issue that facts need; of these, comment events have only the project (captures)."""

    project: Project | None = None
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT
    creator: msgspec.Raw = ABSENT
    comment: msgspec.Raw = ABSENT


class Issue(msgspec.Struct, frozen=True):
    """An issue."""

    id: int | str | None = None
    key: str | None = None
    fields: IssueFields = IssueFields()

    def ref(self) -> IssueRef:
        """Return where the facts of the issue belong."""
        return issue_ref(self.id, self.key, self.fields.project.key if self.fields.project else None)


class _IssueParts(msgspec.Struct, frozen=True):
    id: msgspec.Raw = ABSENT
    key: msgspec.Raw = ABSENT
    fields: msgspec.Raw = ABSENT


class _FieldsParts(msgspec.Struct, frozen=True):
    project: msgspec.Raw = ABSENT
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT
    creator: msgspec.Raw = ABSENT
    comment: msgspec.Raw = ABSENT


_NO_ISSUE = Issue()
_ISSUE: msgspec.json.Decoder[Issue | None] = msgspec.json.Decoder(Issue | None)
_ISSUE_PARTS: msgspec.json.Decoder[_IssueParts | None] = msgspec.json.Decoder(_IssueParts | None)
_FIELDS_PARTS: msgspec.json.Decoder[_FieldsParts | None] = msgspec.json.Decoder(_FieldsParts | None)
_PROJECT: msgspec.json.Decoder[Project | None] = msgspec.json.Decoder(Project | None)


def read_issue(part: msgspec.Raw) -> Issue:
    """Read an issue; what it lacks or has in another form is None, for nothing of it must spoil an act."""
    try:
        return read(_ISSUE, part) or _NO_ISSUE
    except ValueError:
        return _piece_by_piece(part)


def _piece_by_piece(part: msgspec.Raw) -> Issue:
    issue = read_or_none(_ISSUE_PARTS, part) or _IssueParts()
    fields = read_or_none(_FIELDS_PARTS, issue.fields) or _FieldsParts()
    project = read_or_none(_PROJECT, fields.project)
    return Issue(
        id_or_none(issue.id),
        read_or_none(TEXT, issue.key),
        IssueFields(project, fields.created, fields.updated, fields.creator, fields.comment),
    )


AHEAD_MS = 86_400_000
"""How far a moment may lie after Rollcall learns of it: clocks differ, by less than a day."""


class FactMaker:
    """Makes facts. Pure: the same parts give the same fact.

    Every method raises NotUnderstoodError when a part that the fact needs is none.

    Args:
        site: Name of the Jira site in the settings.
        source: Which reader asks.
        received_at: When Rollcall learned it, epoch ms.
    """

    __slots__ = ("_received_at", "_site", "_source")

    def __init__(self, site: str, source: Source, received_at: int) -> None:
        self._site = site
        self._source = source
        self._received_at = received_at

    def entity_created(
        self, kind: identity.EntityKind, entity: Entity, issue: IssueRef, fallback: msgspec.Raw = ABSENT
    ) -> Activity:
        """Return the fact of adding a comment or worklog, by its author at its own ``created``.

        Args:
            kind: What it is.
            entity: The comment or worklog; a worklog's ``started`` is not the time of the act.
            issue: Where it belongs.
            fallback: The time to take where it has no ``created``.
        """
        key = identity.created(kind, needed_id(entity.id, f"{kind}.id"))
        at = moment_of(f"{kind}.created and no timestamp", entity.created, fallback)
        return self._fact(key, kind, "created", actor(entity.author), at, issue)

    def entity_updated(self, kind: identity.EntityKind, entity: Entity, issue: IssueRef) -> Activity | None:
        """Return the fact of the last edit, by its updateAuthor; None when ``updated`` is not later than ``created``.

        Such is no edit, for nothing is edited before it is there. A webhook's event says of itself that something was,
        so that a ``created`` of the future, which is implausible, does not count there.
        """
        entity_id = needed_id(entity.id, f"{kind}.id")
        at = moment_of(f"{kind}.updated", entity.updated)
        created = moment_or_none(entity.created)
        if created == at:
            return None
        implausible = self._source == "webhook" and (created or 0) > self._received_at + AHEAD_MS
        if created is not None and created > at and not implausible:
            return None
        return self._fact(identity.updated(kind, entity_id, at), kind, "updated", actor(entity.updateAuthor), at, issue)

    def entity_deleted(
        self, kind: identity.EntityKind, entity_id: int, at: int, issue: IssueRef, who: Account = NOBODY
    ) -> Activity:
        """Return the fact of deleting a comment or worklog: by the author of the changelog entry, else nobody's."""
        return self._fact(identity.deleted(kind, entity_id), kind, "deleted", who, at, issue)

    def issue_created(
        self, issue: IssueRef, created: msgspec.Raw, who: msgspec.Raw, fallback: msgspec.Raw = ABSENT
    ) -> Activity:
        """Return the fact of creating an issue at its ``created``, else at the fallback's time."""
        key = identity.issue_created(_known_id(issue))
        at = moment_of("issue.fields.created and no timestamp", created, fallback)
        return self._fact(key, "history", "created", actor(who), at, issue)

    def issue_changed(
        self, changelog_id: msgspec.Raw, at: int, who: msgspec.Raw, issue: IssueRef, items: Sequence[ChangelogItem]
    ) -> Activity:
        """Return the fact of a change of an issue's fields, known by its changelog entry.

        An attachment added or removed is such a change, of the field ``attachment``.
        """
        key = identity.history(needed_id(changelog_id, "changelog.id"))
        return self._fact(key, "history", "updated", actor(who), at, issue, changed_fields(items))

    def issue_updated(self, at: int, who: msgspec.Raw, issue: IssueRef) -> Activity:
        """Return the fact of a change that came without a changelog; REST never knows it."""
        account = actor(who)
        key = identity.issue_updated(_known_id(issue), at, account.account_id)
        return self._fact(key, "history", "updated", account, at, issue)

    def issue_deleted(self, at: int, who: msgspec.Raw, issue: IssueRef) -> Activity:
        """Return the fact of deleting an issue."""
        return self._fact(identity.issue_deleted(_known_id(issue)), "history", "deleted", actor(who), at, issue)

    def _fact(
        self,
        event_key: str,
        family: Family,
        action: Action,
        who: Account,
        occurred_at: int,
        issue: IssueRef,
        fields: list[str] | None = None,
    ) -> Activity:
        return Activity(
            site=self._site,
            event_key=event_key,
            account_id=who.account_id,
            account_type=who.account_type,
            family=family,
            action=action,
            occurred_at=occurred_at,
            issue_id=issue.issue_id,
            issue_key=issue.issue_key,
            project_key=issue.project_key,
            fields=fields or [],
            source=self._source,
            received_at=self._received_at,
        )


def actor(person: msgspec.Raw) -> Account:
    """Read who a user object is; nobody when it is absent or null (an anonymous act) or has no account id.

    Raises:
        NotUnderstoodError: It is no object, or its account id is no text of at most 128 characters.
    """
    try:
        return account_of(person)
    except ValueError as error:
        raise NotUnderstoodError("bad_actor", f"A person in the payload has {error}.") from None


def needed_id(part: msgspec.Raw, what: str) -> int:
    """Read an id that identifies the fact.

    Raises:
        NotUnderstoodError: It is none, or 0, which would make one of many facts.
    """
    if number := id_or_zero(id_or_none(part)):
        return number
    raise NotUnderstoodError("no_id", f"The payload has no usable {what}.")


def _known_id(issue: IssueRef) -> int:
    if not issue.issue_id:
        raise NotUnderstoodError("no_id", "The payload has no usable issue.id.")
    return issue.issue_id


def moment_of(what: str, *parts: msgspec.Raw) -> int:
    """Read the first of these moments that is there, epoch ms.

    Args:
        what: Name of the moment, for the error.
        parts: Where it may stand, best first.

    Raises:
        NotUnderstoodError: None is there, or the first that is there is no moment or outside the years 2002 to 2100;
            where it is from 1980 on, an OlderThanJiraError.
    """
    for part in parts:
        found = _moment(part)
        if found is not None:
            return found
    raise NotUnderstoodError("no_time", f"The payload has no {what}.")


def _moment(part: msgspec.Raw) -> int | None:
    try:
        value = number_or_text(part)
        return None if value is None else parse_jira_time(value)
    except OldTimeError:
        raise OlderThanJiraError("implausible_time", "A time in the payload is outside 2002 to 2100.") from None
    except ImplausibleTimeError:
        raise NotUnderstoodError("implausible_time", "A time in the payload is outside 2002 to 2100.") from None
    except ValueError:
        raise NotUnderstoodError("bad_time", "A time in the payload is in no form that Jira is known to use.") from None


def moment_or_none(part: msgspec.Raw) -> int | None:
    """Read a moment that can be done without, epoch ms; None when it is none, or outside the years 2002 to 2100."""
    try:
        return _moment(part)
    except NotUnderstoodError:
        return None


def changes_of(items: msgspec.Raw) -> list[ChangelogItem]:
    """Read the items of a changelog; none when they are absent or null.

    Raises:
        NotUnderstoodError: They are no list. An item of another form is one without fields.
    """
    try:
        return changelog_items(items)
    except ValueError:
        raise NotUnderstoodError("bad_changelog", "The changelog is no object with a list of items.") from None
