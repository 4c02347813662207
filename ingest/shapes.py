"""The parts of a webhook body that Rollcall looks at, and how one part is read without minding the others.

Decoding goes in stages: a shape keeps every part as raw JSON, and a part is decoded when an event needs it. So a
wrong type in a part that the event does not need does no harm, and the rest of a 25 MB issue is only skipped over.
"""

from typing import TypeVar

import msgspec

from rollcall.errors import NotUnderstoodError
from rollcall.half_pairs import without_half_pairs

T = TypeVar("T")
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
        mended = without_half_pairs(body)
        if mended == body:
            raise
        return _envelope.decode(mended)


def read(decoder: msgspec.json.Decoder[T], part: msgspec.Raw) -> T | None:
    """Decode one part; None when it is absent or null.

    Raises:
        ValueError: It has another type. The text must not be shown: it may quote the payload.
    """
    return decoder.decode(part) if part else None


def read_or_none(decoder: msgspec.json.Decoder[T], part: msgspec.Raw) -> T | None:
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
