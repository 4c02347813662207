"""The payload of a webhook: the parts that Rollcall looks at, and how one is read without minding the others.

Decoding goes in stages: a struct keeps every part as raw JSON, and a part is decoded when an event needs it. So a
wrong type in a part that the event does not need does no harm, and the rest of a 25 MB issue is only skipped over.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar, cast

import msgspec

from rollcall.errors import NotUnderstoodError
from rollcall.identity import account, jira_id
from rollcall.jira.changelog import changed_fields
from rollcall.jira.surrogates import without_lone_surrogates
from rollcall.jira.times import ImplausibleTimeError, parse_jira_time
from rollcall.records import AccountType

_T = TypeVar("_T")
ABSENT = msgspec.Raw()


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
TEXT: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
NUMBER_OR_TEXT: msgspec.json.Decoder[int | str | None] = msgspec.json.Decoder(int | str | None)


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
        return _decode_envelope(body)
    except msgspec.ValidationError:
        raise NotUnderstoodError("not_an_object", "The body is JSON but no JSON object.") from None
    except ValueError:
        raise NotUnderstoodError("not_json", "The body is not JSON in UTF-8.") from None
    except RecursionError:
        raise NotUnderstoodError("too_deep", "The body is nested deeper than any Jira payload.") from None


def _decode_envelope(body: bytes) -> Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = without_lone_surrogates(body)
        if mended == body:
            raise
        return _envelope.decode(mended)


def read(decoder: msgspec.json.Decoder[_T], part: msgspec.Raw) -> _T | None:
    """Decode one part; None when it is absent or null.

    Raises:
        ValueError: It has another type. The text must not be shown: it may quote the payload.
    """
    return decoder.decode(part) if part else None


def read_or_none(decoder: msgspec.json.Decoder[_T], part: msgspec.Raw) -> _T | None:
    """Decode one part that the fact can do without; None also when it has another type."""
    try:
        return read(decoder, part)
    except ValueError:
        return None


def id_or_none(part: msgspec.Raw) -> int | str | None:
    """Decode what may be an id, a number or a text; None when it is neither."""
    try:
        return NUMBER_OR_TEXT.decode(part) if part else None
    except ValueError:
        return None


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


_LONGEST_TEXT = 1024
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
    return text if text and len(text) <= _LONGEST_TEXT else ""


_MOST_FIELDS = 1000
"""More changed fields than any issue has; keeps one record small whatever arrives."""


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
    has_id = bool(parts.id) and bytes(parts.id) != b"null"
    if items and not has_id:
        raise NotUnderstoodError("bad_changelog", "The changelog has items but no id.")
    changelog_id = needed_id(id_or_none(parts.id), "changelog.id") if has_id else None
    return Changelog(changelog_id, len(items), changed_fields(items)[:_MOST_FIELDS])


def _items(part: msgspec.Raw) -> list[_Item]:
    try:
        return read(_ITEMS, part) or []
    except ValueError:
        return [_tolerant(item) for item in read(_RAW_ITEMS, part) or []]


def _tolerant(item: msgspec.Raw) -> _Item:
    parts = read_or_none(_ITEM_PARTS, item) or _ItemParts()
    return _Item(read_or_none(TEXT, parts.field), read_or_none(TEXT, parts.fieldId))


_LONGEST_ACCOUNT_ID = 128
"""Longest account id that Jira Cloud has (OpenAPI file)."""

_TYPES = frozenset({"atlassian", "app", "customer"})


class Actor(NamedTuple):
    """An account and its type, both empty when Jira does not say."""

    account_id: str
    account_type: AccountType


NOBODY = Actor("", "")


class _Account(msgspec.Struct, frozen=True):
    accountId: str | None = None  # noqa: N815 - Jira's own name
    accountType: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


_ACCOUNT: msgspec.json.Decoder[_Account | None] = msgspec.json.Decoder(_Account | None)


def actor(person: msgspec.Raw) -> Actor:
    """Read who a user object is; nobody when it is absent or null (an anonymous act) or has no account id.

    Raises:
        NotUnderstoodError: It is no object, or its account id is no text of at most 128 characters.
    """
    try:
        found = read(_ACCOUNT, person) or _Account()
    except ValueError:
        raise NotUnderstoodError("bad_actor", "A person in the payload has an account id that is no text.") from None
    if found.accountId and len(found.accountId) > _LONGEST_ACCOUNT_ID:
        raise NotUnderstoodError(
            "bad_actor", f"An account id in the payload is longer than {_LONGEST_ACCOUNT_ID} characters."
        )
    known = account(found.accountId)
    if not known:
        return NOBODY
    named = read_or_none(TEXT, found.accountType)
    return Actor(known, cast(AccountType, named) if named in _TYPES else "")


def refuse_data_center(envelope: Envelope) -> None:
    """Refuse a payload of Jira Data Center or Server: its people have names and keys but no account ids.

    Raises:
        NotUnderstoodError: Somebody in it has a ``name``, ``key`` or ``username``, and nobody an ``accountId``.
    """
    named = False
    for person in _people(envelope):
        if _given(person.accountId):
            return
        named = named or _given(person.name) or _given(person.key) or _given(person.username)
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


def _given(part: msgspec.Raw) -> bool:
    return bool(part) and bytes(part) != b"null"


def needed_id(value: object, what: str) -> int:
    """Return an id that identifies the fact.

    Raises:
        NotUnderstoodError: It is none.
    """
    try:
        return jira_id(value)
    except ValueError:
        raise NotUnderstoodError("no_id", f"The payload has no usable {what}.") from None
