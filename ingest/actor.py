"""Who did it, as far as a webhook says."""

from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from ingest.shapes import ABSENT, ENTITY, PERSON, TEXT, Envelope, Person, read, read_or_none
from rollcall.errors import NotUnderstoodError
from rollcall.identity import account
from rollcall.records import AccountType

_LONGEST = 128
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
    if found.accountId and len(found.accountId) > _LONGEST:
        raise NotUnderstoodError("bad_actor", f"An account id in the payload is longer than {_LONGEST} characters.")
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
