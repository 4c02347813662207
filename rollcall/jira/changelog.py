"""What a Jira changelog entry says about which fields changed, the same from webhooks and REST."""

from collections.abc import Iterable
from typing import Protocol

_LONGEST = 255
"""Jira's limit for the name of a custom field."""


class ChangelogItem(Protocol):
    """One changed field of a changelog entry; ``fieldId`` is often missing, ``field`` is localized."""

    field: str | None
    fieldId: str | None  # noqa: N815 - Jira's own name


def changed_fields(items: Iterable[ChangelogItem]) -> list[str]:
    """Return the ids of the changed fields, lower case, each once, in order.

    Jira Cloud leaves ``fieldId`` out for WorklogId, Link and others and varies capital letters, so: the id,
    else the name, without regard to case.
    """
    names = ((item.fieldId or item.field or "").strip().lower()[:_LONGEST] for item in items)
    return list(dict.fromkeys(name for name in names if name))
