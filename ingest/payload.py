"""The payload of a webhook: the parts that Rollcall looks at, and how one is read without minding the others.

Decoding goes in stages: a struct keeps every part as raw JSON, and a part is decoded when an event needs it. So a
wrong type in a part that the event does not need does no harm, and the rest of a 25 MB issue is only skipped over.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from rollcall.errors import NotUnderstoodError
from rollcall.jira.values import (
    ABSENT,
    NUMBER_OR_TEXT,
    TEXT,
    Account,
    ImplausibleTimeError,
    IssueRef,
    account_of,
    changed_fields,
    decode_json,
    id_or_none,
    is_given,
    issue_ref,
    jira_id,
    parse_jira_time,
    read,
    read_or_none,
)


class Envelope(msgspec.Struct, frozen=True):
    """The top of every webhook body (Atlassian's webhooks page)."""

    webhookEvent: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    timestamp: msgspec.Raw = ABSENT
    issue_event_type_name: msgspec.Raw = ABSENT
    user: msgspec.Raw = ABSENT
    issue: msgspec.Raw = ABSENT
    changelog: msgspec.Raw = ABSENT
    comment: msgspec.Raw = ABSENT
    worklog: msgspec.Raw = ABSENT
    attachment: msgspec.Raw = ABSENT


class Entity(msgspec.Struct, frozen=True):
    """A comment, worklog or attachment; ``issueId`` is the only issue link of a worklog (captures of 2026)."""

    id: msgspec.Raw = ABSENT
    author: msgspec.Raw = ABSENT
    updateAuthor: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    created: msgspec.Raw = ABSENT
    updated: msgspec.Raw = ABSENT
    issueId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


class Person(msgspec.Struct, frozen=True):
    """A user object. Jira Cloud has ``accountId``; Data Center has ``name``, ``key`` or ``username`` instead."""

    accountId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    accountType: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    name: msgspec.Raw = ABSENT
    key: msgspec.Raw = ABSENT
    username: msgspec.Raw = ABSENT


_envelope = msgspec.json.Decoder(Envelope)
ENTITY: msgspec.json.Decoder[Entity | None] = msgspec.json.Decoder(Entity | None)
PERSON: msgspec.json.Decoder[Person | None] = msgspec.json.Decoder(Person | None)


def open_envelope(body: bytes) -> Envelope:
    """Decode the top of a webhook body.

    Raises:
        NotUnderstoodError: It is no JSON object in UTF-8, or nested too deep.
    """
    if not body:
        raise NotUnderstoodError(
            "empty_body", "The body is empty; in Jira, take 'Exclude body' off the webhook so that events arrive."
        )
    try:
        if not body.isascii():
            body.decode()
        return decode_json(_envelope, body)
    except msgspec.ValidationError:
        raise NotUnderstoodError("not_an_object", "The body is JSON but no JSON object.") from None
    except ValueError:
        raise NotUnderstoodError("not_json", "The body is not JSON in UTF-8.") from None
    except RecursionError:
        raise NotUnderstoodError("too_deep", "The body is nested deeper than any Jira payload.") from None


_AHEAD_MS = 86_400_000
"""How far a moment may lie after its receipt: clocks differ, by less than a day."""


def moment(part: msgspec.Raw) -> int | None:
    """Read a moment as epoch milliseconds; None when it is absent or null.

    Raises:
        NotUnderstoodError: It is there and is no moment, or one outside the years 2002 to 2100.
    """
    try:
        value = read(NUMBER_OR_TEXT, part)
        return None if value is None else parse_jira_time(value)
    except ImplausibleTimeError:
        raise NotUnderstoodError("implausible_time", "A time in the payload is outside 2002 to 2100.") from None
    except ValueError:
        raise NotUnderstoodError("bad_time", "A time in the payload is in no form that Jira is known to use.") from None


def first_moment(what: str, *parts: msgspec.Raw) -> int:
    """Read the first of these moments that is there.

    Args:
        what: Name of the moment, for the error.
        parts: Where it may stand, best first.

    Raises:
        NotUnderstoodError: None is there, or the first that is there is no moment.
    """
    for part in parts:
        found = moment(part)
        if found is not None:
            return found
    raise NotUnderstoodError("no_time", f"The payload has no {what}.")


def refuse_future(occurred_at: int, received_at: int) -> None:
    """Refuse a moment that lies more than a day after its receipt, which no clock explains.

    Raises:
        NotUnderstoodError: It does.
    """
    if occurred_at > received_at + _AHEAD_MS:
        raise NotUnderstoodError(
            "implausible_time", "A time in the payload lies more than a day ahead; check this machine's clock."
        )


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

    def ref(self) -> IssueRef:
        """Return where the facts of the issue belong."""
        project = self.fields.project if self.fields else None
        return issue_ref(self.id, self.key, project.key if project else None)

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


def _piece_by_piece(part: msgspec.Raw) -> Issue:
    issue = read_or_none(_ISSUE_PARTS, part) or _IssueParts()
    fields = read_or_none(_FIELDS_PARTS, issue.fields) or _FieldsParts()
    project = read_or_none(_PROJECT, fields.project)
    return Issue(
        id_or_none(issue.id),
        read_or_none(TEXT, issue.key),
        IssueFields(project, fields.created, fields.updated),
    )


class Changelog(NamedTuple):
    """Its id (None when it has none), how many items, and the ids of the changed fields."""

    changelog_id: int | None
    items: int
    fields: list[str]


NO_CHANGELOG = Changelog(None, 0, [])


class _Parts(msgspec.Struct, frozen=True):
    id: msgspec.Raw = ABSENT
    items: msgspec.Raw = ABSENT


class _Item(msgspec.Struct):
    field: str | None = None
    fieldId: str | None = None  # noqa: N815 - Jira's own name


class _ItemParts(msgspec.Struct, frozen=True):
    field: msgspec.Raw = ABSENT
    fieldId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


_PARTS: msgspec.json.Decoder[_Parts | None] = msgspec.json.Decoder(_Parts | None)
_ITEMS: msgspec.json.Decoder[list[_Item] | None] = msgspec.json.Decoder(list[_Item] | None)
_RAW_ITEMS: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_ITEM_PARTS: msgspec.json.Decoder[_ItemParts | None] = msgspec.json.Decoder(_ItemParts | None)


def changelog(part: msgspec.Raw) -> Changelog:
    """Read a changelog; one that is absent, null or empty has no id and no items.

    Raises:
        NotUnderstoodError: It is no object with a list of items, or its id is no id, or it has items but no id,
            so that the change could not be told from the same change read over REST.
    """
    try:
        parts = read(_PARTS, part)
        if parts is None:
            return NO_CHANGELOG
        items = _items(parts.items)
    except ValueError:
        raise NotUnderstoodError("bad_changelog", "The changelog is no object with a list of items.") from None
    has_id = is_given(parts.id)
    if items and not has_id:
        raise NotUnderstoodError("bad_changelog", "The changelog has items but no id.")
    changelog_id = needed_id(id_or_none(parts.id), "changelog.id") if has_id else None
    return Changelog(changelog_id, len(items), changed_fields(items))


def _items(part: msgspec.Raw) -> list[_Item]:
    try:
        return read(_ITEMS, part) or []
    except ValueError:
        return [_tolerant(item) for item in read(_RAW_ITEMS, part) or []]


def _tolerant(item: msgspec.Raw) -> _Item:
    parts = read_or_none(_ITEM_PARTS, item) or _ItemParts()
    return _Item(read_or_none(TEXT, parts.field), read_or_none(TEXT, parts.fieldId))


def actor(person: msgspec.Raw) -> Account:
    """Read who a user object is; nobody when it is absent or null (an anonymous act) or has no account id.

    Raises:
        NotUnderstoodError: It is no object, or its account id is no text of at most 128 characters.
    """
    try:
        return account_of(person)
    except ValueError as error:
        raise NotUnderstoodError("bad_actor", f"A person in the payload has {error}.") from None


def refuse_data_center(envelope: Envelope) -> None:
    """Refuse a payload of Jira Data Center or Server: its people have names and keys but no account ids.

    Raises:
        NotUnderstoodError: Somebody in it has a ``name``, ``key`` or ``username``, and nobody an ``accountId``.
    """
    named = False
    for person in _people(envelope):
        if is_given(person.accountId):
            return
        named = named or is_given(person.name) or is_given(person.key) or is_given(person.username)
    if named:
        raise NotUnderstoodError(
            "data_center",
            "Jira Data Center payload: its people have no accountId. Rollcall reads Jira Cloud only; "
            "point the webhook of a Cloud site here.",
        )


def _people(envelope: Envelope) -> Iterator[Person]:
    """Yield everybody, lazily: with Jira Cloud the first one settles it."""
    if (user := read_or_none(PERSON, envelope.user)) is not None:
        yield user
    for part in (envelope.comment, envelope.worklog, envelope.attachment):
        if (entity := read_or_none(ENTITY, part)) is None:
            continue
        for raw in (entity.author, entity.updateAuthor):
            if (person := read_or_none(PERSON, raw)) is not None:
                yield person


def needed_id(value: object, what: str) -> int:
    """Return an id that identifies the fact.

    Raises:
        NotUnderstoodError: It is none.
    """
    try:
        return jira_id(value)
    except ValueError:
        raise NotUnderstoodError("no_id", f"The payload has no usable {what}.") from None
