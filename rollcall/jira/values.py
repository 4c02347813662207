"""How Jira Cloud writes ids, times, accounts, issues and changed fields, read the same from webhooks and REST.

Decoding goes in stages: a struct keeps its parts as raw JSON, and a part is decoded when a fact needs it. So a part
that the fact does not need never spoils it, whatever form it has, and the rest of a 25 MB issue is only skipped over.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar, cast, get_args

import msgspec

_T = TypeVar("_T")

_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}",
    re.DOTALL,
)


def decode_json(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """Decode a body of Jira's, also one with a lone surrogate (half a pair) in a text, which msgspec refuses.

    A text cut inside an emoji leaves half a surrogate pair: JSON by its grammar (RFC 8259, 8.2). The replacement
    character stands in its place; an account id or key that has one is none, for it would be another's.

    Raises:
        msgspec.ValidationError: It is JSON of another shape.
        ValueError: It is no JSON in UTF-8. Only texts that are decoded are looked at for that.
        RecursionError: It is nested too deep.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except ValueError:
        mended = _LONE_SURROGATE.sub(rb"\\ufffd", body)
        if mended == body:
            raise
        return decoder.decode(mended)


ABSENT = msgspec.Raw()
TEXT: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_NUMBER_OR_TEXT: msgspec.json.Decoder[int | float | str | None] = msgspec.json.Decoder(int | float | str | None)


def is_given(part: msgspec.Raw) -> bool:
    """Return whether a part is there and not null."""
    return bool(part) and bytes(part) != b"null"


def read(decoder: msgspec.json.Decoder[_T], part: msgspec.Raw) -> _T | None:
    """Decode one part; None when it is absent or null.

    Raises:
        ValueError: It has another type. The text must not be shown: it may quote the payload.
    """
    return decoder.decode(part) if part else None


def read_or_none(decoder: msgspec.json.Decoder[_T], part: msgspec.Raw) -> _T | None:
    """Decode one part that the fact can do without; None also when it has another type."""
    try:
        return decoder.decode(part) if part else None
    except ValueError:
        return None


_MOST_EXACT = 2**53
"""Above this a number with a fraction or an exponent may be another one."""


def number_or_text(part: msgspec.Raw) -> int | str | None:
    """Decode an id or a moment, a whole number or a text; None when it is absent or null.

    Some write whole numbers as ``12.0`` or ``1.2E1``.

    Raises:
        ValueError: It is neither. The text must not be shown: it may quote the payload.
    """
    value = read(_NUMBER_OR_TEXT, part)
    if not isinstance(value, float):
        return value
    if not value.is_integer() or abs(value) > _MOST_EXACT:
        raise ValueError("not a whole number")
    return int(value)


def id_or_none(part: msgspec.Raw) -> int | str | None:
    """Decode what may be an id, a number or a text; None when it is neither."""
    try:
        return number_or_text(part)
    except ValueError:
        return None


_ID = re.compile(r"\d{1,19}", re.ASCII)


def jira_id(value: object) -> int:
    """Read an entity id, which Jira sends as a number or as a string.

    Raises:
        ValueError: It is neither, or not a whole number from 0 to 2^63-1.
    """
    if isinstance(value, str) and _ID.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError("not an id: neither a whole number nor a string of digits")
    if not 0 <= number < 2**63:
        raise ValueError("not an id: out of range")
    return number


def id_or_zero(value: object) -> int:
    """Read an id that the fact can do without; 0 when it is none."""
    try:
        return jira_id(value)
    except ValueError:
        return 0


EARLIEST_MS = 1_009_843_200_000
"""2002-01-01 UTC, the year of Jira's first release: nothing in Jira is older."""

LATEST_MS = 4_102_444_800_000
"""2100-01-01 UTC: a later moment is a broken clock."""

_OLDEST_MS = 315_532_800_000
"""1980-01-01 UTC: what was moved here from an older tracker may be so old; before it lie placeholders like 1970."""

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s?(Z|z|[+-]\d{2}(?::?\d{2})?)", re.ASCII)
_DIGITS = re.compile(r"\d{9,13}", re.ASCII)
_SECONDS_BELOW = 10_000_000_000
"""An epoch number below this is seconds (year 2286); as milliseconds it would be before May 1970."""


class ImplausibleTimeError(ValueError):
    """A moment outside 2002 to 2100: no time of anything in Jira."""


class OldTimeError(ImplausibleTimeError):
    """A moment from 1980 to 2001: of something that was moved here from an older tracker."""


def parse_jira_time(value: object) -> int:
    """Read a moment as Jira writes it.

    Jira Cloud writes entity times as ISO 8601 with milliseconds and an offset without a colon
    (``2026-09-23T00:18:35.652+0530``), in the site's default zone; webhook envelopes and the worklog feeds use epoch
    milliseconds; ``changelog/bulkfetch`` has been seen with either, and with epoch numbers as strings.

    Args:
        value: An ISO 8601 string with an offset, an epoch number, or a string of digits. Epoch numbers are
            milliseconds; those too small to be milliseconds after 1970 are taken as seconds.

    Returns:
        Epoch milliseconds (fractions below a millisecond cut off).

    Raises:
        ImplausibleTimeError: It lies outside 2002 to 2100; from 1980 on it is an OldTimeError. The text never repeats
            the value.
        ValueError: It is no such moment, or has no offset. Likewise.
    """
    if isinstance(value, str):
        match = _ISO.fullmatch(value)
        moment = _from_iso(match) if match else _from_digits(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        moment = _from_number(value)
    else:
        raise ValueError("not a time: neither text nor a whole number")
    if _OLDEST_MS <= moment < EARLIEST_MS:
        raise OldTimeError("time outside the years 2002 to 2100")
    if not EARLIEST_MS <= moment < LATEST_MS:
        raise ImplausibleTimeError("time outside the years 2002 to 2100")
    return moment


def _from_iso(match: re.Match[str]) -> int:
    day, clock, fraction, offset = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        raise ValueError("not a time: no such day, hour or offset") from None
    return int(whole.timestamp()) * 1000 + int((fraction or "0")[:3].ljust(3, "0"))


def _from_digits(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError("not a time: no ISO 8601 moment with an offset and no epoch number")
    return _from_number(int(text))


def _from_number(number: int) -> int:
    return number * 1000 if number < _SECONDS_BELOW else number


AccountType = Literal["atlassian", "app", "customer", ""]
LONGEST_ACCOUNT_ID = 128
"""Longest account id that Jira Cloud has (OpenAPI file)."""

_TYPES = frozenset(get_args(AccountType))
_UNKNOWN_ACCOUNT = "unknown"
"""Jira's accountId of a corrupt user record (OpenAPI file): many people, so nobody."""


class Account(NamedTuple):
    """An account's id and type, both empty when Jira does not say."""

    account_id: str
    account_type: AccountType


NOBODY = Account("", "")

_REPLACEMENT = "\ufffd"
"""What stands where a text was no text; no id or key has it."""


class _Person(msgspec.Struct, frozen=True):
    accountId: str | None = None  # noqa: N815 - Jira's own name
    accountType: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


_PERSON: msgspec.json.Decoder[_Person | None] = msgspec.json.Decoder(_Person | None)


def account_of(person: msgspec.Raw) -> Account:
    """Read who a user object is; nobody when it is absent or null (an anonymous act) or has no account id.

    Raises:
        ValueError: It is no object, or its account id is no text of at most 128 characters. The text never repeats it.
    """
    try:
        found = read(_PERSON, person)
    except ValueError:
        raise ValueError("an account id that is no text") from None
    known = account_id(found.accountId) if found else ""
    if not found or not known:
        return NOBODY
    return Account(known, account_type(read_or_none(TEXT, found.accountType)))


def account_id(text: str | None) -> str:
    """Return the account id to keep: empty for none, for blanks and for Jira's placeholder ``unknown``.

    Raises:
        ValueError: It is longer than any, or a part of it was no text.
    """
    if not text or text.isspace() or text == _UNKNOWN_ACCOUNT:
        return ""
    if len(text) > LONGEST_ACCOUNT_ID:
        raise ValueError(f"an account id longer than {LONGEST_ACCOUNT_ID} characters")
    if _REPLACEMENT in text:
        raise ValueError("an account id that is no text")
    return text


def account_type(text: str | None) -> AccountType:
    """Return the type to keep: empty when Jira does not say or calls it unknown."""
    return cast(AccountType, text) if text in _TYPES else ""


LONGEST_TEXT = 1024
"""Longest key or name that a record takes; Jira's are far shorter."""


class IssueRef(NamedTuple):
    """The issue a fact belongs to: 0 or empty for what is not known."""

    issue_id: int = 0
    issue_key: str = ""
    project_key: str = ""


def issue_ref(issue_id: object, key: object, project_key: object) -> IssueRef:
    """Return where the facts of an issue belong.

    Args:
        issue_id: Its id.
        key: Its key, such as ``ACME-12``; empty when it is no text or longer than any.
        project_key: Its project's key; where it is none, it is read off the issue's key.
    """
    issue_key = _key(key)
    return IssueRef(id_or_zero(issue_id), issue_key, _key(project_key) or issue_key.rpartition("-")[0])


def _key(text: object) -> str:
    return text if isinstance(text, str) and len(text) <= LONGEST_TEXT and _REPLACEMENT not in text else ""


class ChangelogItem(msgspec.Struct, frozen=True):
    """One changed field of a changelog entry; ``fieldId`` is often missing, ``field`` is localized.

    ``fromString`` and ``toString`` hold what people wrote: only their emptiness is looked at.
    """

    field: str | None = None
    fieldId: str | None = None  # noqa: N815 - Jira's own name
    from_: msgspec.Raw = msgspec.field(name="from", default=ABSENT)
    to: msgspec.Raw = ABSENT
    fromString: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    toString: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name

    @property
    def old_id(self) -> str:
        """Id of the old value; empty when there is none."""
        return _text_of(self.from_)

    @property
    def new_id(self) -> str:
        """Id of the new value; empty when there is none."""
        return _text_of(self.to)

    @property
    def removes(self) -> bool:
        """Whether something was there before and nothing is there now."""
        had = bool(self.old_id) or bytes(self.fromString) not in _EMPTY
        return had and not self.new_id and bytes(self.toString) in _EMPTY


class _ItemParts(msgspec.Struct, frozen=True):
    field: msgspec.Raw = ABSENT
    fieldId: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    from_: msgspec.Raw = msgspec.field(name="from", default=ABSENT)
    to: msgspec.Raw = ABSENT
    fromString: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name
    toString: msgspec.Raw = ABSENT  # noqa: N815 - Jira's own name


_EMPTY = (b"", b"null", b'""')
_ITEMS: msgspec.json.Decoder[list[ChangelogItem] | None] = msgspec.json.Decoder(list[ChangelogItem] | None)
_RAW_ITEMS: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_ITEM_PARTS: msgspec.json.Decoder[_ItemParts | None] = msgspec.json.Decoder(_ItemParts | None)


def changelog_items(part: msgspec.Raw) -> list[ChangelogItem]:
    """Read the items of a changelog entry; none when they are absent or null.

    What an item lacks or has in another form is None, for nothing of it must spoil the others.

    Raises:
        ValueError: It is no list. The text must not be shown: it may quote the payload.
    """
    try:
        return read(_ITEMS, part) or []
    except ValueError:
        return [_piece_by_piece(item) for item in read(_RAW_ITEMS, part) or []]


def _piece_by_piece(item: msgspec.Raw) -> ChangelogItem:
    parts = read_or_none(_ITEM_PARTS, item) or _ItemParts()
    field, name = read_or_none(TEXT, parts.fieldId), read_or_none(TEXT, parts.field)
    return ChangelogItem(name, field, parts.from_, parts.to, parts.fromString, parts.toString)


def _text_of(part: msgspec.Raw) -> str:
    value = id_or_none(part)
    return "" if value is None else str(value).strip()


_LONGEST_FIELD = 255
"""Jira's limit for the name of a custom field."""

_MOST_FIELDS = 1000
"""More changed fields than any issue has; keeps one record small whatever arrives."""


def changed_fields(items: Iterable[ChangelogItem]) -> list[str]:
    """Return the ids of the changed fields, each once, in order; no more than the first thousand."""
    return list(dict.fromkeys(filter(None, map(field_id, items))))[:_MOST_FIELDS]


def field_id(item: ChangelogItem) -> str:
    """Return the id of a changed field in lower case; empty when it has none.

    Jira Cloud leaves ``fieldId`` out for WorklogId, Link and others and varies capital letters, so: the id,
    else the name, without regard to case.
    """
    return (item.fieldId or item.field or "").strip().lower()[:_LONGEST_FIELD]
