"""The payload of a webhook: the parts that Rollcall looks at, and how one is read without minding the others.

Every part is kept as raw JSON until an event needs it, see `rollcall.jira.values`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from rollcall.errors import NotUnderstoodError
from rollcall.facts import AHEAD_MS, Entity, changes_of
from rollcall.jira.values import ABSENT, ChangelogItem, decode_json, is_given, read, read_or_none


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


class Person(msgspec.Struct, frozen=True):
    """A user object. Jira Cloud has ``accountId``; Data Center has ``name``, ``key`` or ``username`` instead."""

    accountId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    name: msgspec.Raw = ABSENT
    key: msgspec.Raw = ABSENT
    username: msgspec.Raw = ABSENT


_envelope = msgspec.json.Decoder(Envelope)
ENTITY: msgspec.json.Decoder[Entity | None] = msgspec.json.Decoder(Entity | None)
PERSON: msgspec.json.Decoder[Person | None] = msgspec.json.Decoder(Person | None)


def open_envelope(body: bytes) -> Envelope:
    """Decode the top of a webhook body.

    Raises:
        NotUnderstoodError: It is no JSON object in UTF-8.
        RecursionError: It is nested too deep; see `without_deep_parts`.
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


_DEEPEST = 64
"""Levels down to which parts are kept: what a fact needs is within seven."""

_MOST_MARKS = 2_000_000
"""More brackets and quotation marks than in any payload; to look at each holds up what else is received."""

_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)
"""A text, so that brackets in it are passed over, or a bracket."""


def without_deep_parts(body: bytes) -> bytes:
    """Return JSON with null in the place of what lies deeper than any fact needs, which the decoder cannot pass over.

    Raises:
        NotUnderstoodError: It has too many parts to look at.
    """
    if sum(map(body.count, (b"[", b"{", b'"'))) > _MOST_MARKS:
        raise NotUnderstoodError("too_deep", "The body is nested deeper than any Jira payload.")
    kept: list[bytes] = []
    depth = begin = 0
    for found in _BRACKET.finditer(body):
        token = found.group()
        if token in (b"[", b"{"):
            depth += 1
            if depth == _DEEPEST + 1:
                kept += (body[begin : found.start()], b"null")
                begin = len(body)
        elif token in (b"]", b"}"):
            depth -= 1
            if depth == _DEEPEST:
                begin = found.end()
    kept.append(body[begin:])
    return b"".join(kept)


def refuse_future(occurred_at: int, received_at: int) -> None:
    """Refuse a moment that lies more than a day after its receipt, which no clock explains.

    Raises:
        NotUnderstoodError: It does.
    """
    if occurred_at > received_at + AHEAD_MS:
        raise NotUnderstoodError(
            "implausible_time", "A time in the payload lies more than a day ahead; check this machine's clock."
        )


class Changelog(NamedTuple):
    """Its id as raw JSON, absent when it has none, and the changed fields."""

    id: msgspec.Raw = ABSENT
    items: Sequence[ChangelogItem] = ()


_NO_CHANGELOG = Changelog()


class _ChangelogParts(msgspec.Struct, frozen=True):
    id: msgspec.Raw = ABSENT
    items: msgspec.Raw = ABSENT


_CHANGELOG: msgspec.json.Decoder[_ChangelogParts | None] = msgspec.json.Decoder(_ChangelogParts | None)


def read_changelog(part: msgspec.Raw) -> Changelog:
    """Read a changelog; one that is absent, null or empty has no id and no items.

    Raises:
        NotUnderstoodError: It is no object with a list of items, or it has items but no id, so that the change could
            not be recognized as the same change read over REST.
    """
    try:
        parts = read(_CHANGELOG, part)
    except ValueError:
        raise NotUnderstoodError("bad_changelog", "The changelog is no object with a list of items.") from None
    if parts is None:
        return _NO_CHANGELOG
    items = changes_of(parts.items)
    if is_given(parts.id):
        return Changelog(parts.id, items)
    if items:
        raise NotUnderstoodError("bad_changelog", "The changelog has items but no id.")
    return _NO_CHANGELOG


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
