"""The changelog of an issue event."""

from typing import NamedTuple

import msgspec

from ingest.delivery import needed_id
from ingest.shapes import ABSENT, TEXT, id_or_none, read, read_or_none
from rollcall.changelog import changed_fields
from rollcall.errors import NotUnderstoodError

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
