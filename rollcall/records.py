"""The records on the event log: flat JSON, one object a record.

Flat, so that ClickHouse's JSONEachRow and plain console tools read them too. Nothing that people wrote in Jira is
in a fact or a directory row: no issue text, no comment body, no field value. Only a dead letter keeps the
payload that Rollcall could not read, so that it can be replayed; how large it gets is said here too, because the sizes
of a webhook's body and of a record on the log have to fit together.
"""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec

from rollcall.jira.values import EARLIEST_MS, LATEST_MS, LONGEST_ACCOUNT_ID, LONGEST_TEXT, AccountType

_T = TypeVar("_T")
Family = Literal["comment", "history", "worklog"]
Action = Literal["created", "updated", "deleted"]
Source = Literal["webhook", "reconcile"]

AccountId = Annotated[str, msgspec.Meta(max_length=LONGEST_ACCOUNT_ID)]
"""An Atlassian account id: opaque; empty when Jira does not say who."""

EpochMs = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, lt=LATEST_MS)]
"""Epoch milliseconds between 2002 and 2100, see `rollcall.jira.values`."""

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody did something in Jira: one fact, the same under whatever source, retry or duplicate.

    Attributes:
        site: Name of the Jira site in the settings.
        event_key: Identity of the fact, see `rollcall.identity`.
        account_id: Who did it; empty when Jira does not say.
        account_type: Jira's accountType; empty when unknown.
        family: Kind of thing: comment, history (an issue and its changes) or worklog.
        action: What was done to it.
        occurred_at: When, epoch ms, by the entity's own clock and never the time of receipt.
        issue_id: Jira's numeric issue id, 0 when the payload lacks it.
        issue_key: Such as ``ACME-12``, empty when the payload lacks it.
        project_key: Such as ``ACME``, empty when the payload lacks it.
        fields: Ids of the changed fields of a history fact, lower case, such as ``assignee``.
        source: What brought this record.
        received_at: When Rollcall learned it, epoch ms.
    """

    site: Text
    event_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    account_id: AccountId = ""
    account_type: AccountType = ""
    family: Family
    action: Action
    occurred_at: EpochMs
    issue_id: Unsigned = 0
    issue_key: Text = ""
    project_key: Text = ""
    fields: list[Text] = []
    source: Source
    received_at: EpochMs


class DirectoryRow(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A row of one directory snapshot; rows count only once their snapshot is complete.

    Attributes:
        site: Name of the Jira site in the settings.
        snapshot_id: When the reconcile run began the snapshot, epoch ms; the newest complete one is read.
    """

    site: Text
    snapshot_id: EpochMs


class User(DirectoryRow, frozen=True, kw_only=True, tag="user"):
    """An account of the site. ``email`` is None when hidden; ``active`` is Jira's own flag."""

    account_id: AccountId
    display_name: str = ""
    email: str | None = None
    account_type: AccountType = ""
    active: bool = True


class License(DirectoryRow, frozen=True, kw_only=True, tag="license"):
    """An account's access to a product (Jira's application role key, such as ``jira-software``)."""

    product: Text
    account_id: AccountId


class Role(DirectoryRow, frozen=True, kw_only=True, tag="role"):
    """A role an account holds. ``scope``: product access, site admin, group, or the project's key."""

    account_id: AccountId
    role: Text
    scope: Text


class Seats(DirectoryRow, frozen=True, kw_only=True, tag="seats"):
    """Seats of a product: ``total`` is None when unlimited, ``used`` is Jira's own count."""

    product: Text
    total: Unsigned | None = None
    used: Unsigned = 0


class Project(DirectoryRow, frozen=True, kw_only=True, tag="project"):
    """A project, live or archived, and Jira's type of it, such as ``software``; empty when Jira does not say."""

    project_key: Text
    type: Text = ""


class Grant(DirectoryRow, frozen=True, kw_only=True, tag="grant"):
    """A group, by name, through which an account holds a product; there may be several.

    ``is_default``: Jira puts whoever is given the product anew into it.
    """

    product: Text
    account_id: AccountId
    group: Text
    is_default: bool = False


class Looked(DirectoryRow, frozen=True, kw_only=True, tag="looked"):
    """When an account looked at a product last, by Atlassian's organization API: up to a day late.

    ``looked_at`` is None for never, and both are epoch ms; ``as_of`` is when the organization said so.
    """

    product: Text
    account_id: AccountId
    looked_at: EpochMs | None = None
    as_of: EpochMs


class Added(DirectoryRow, frozen=True, kw_only=True, tag="added"):
    """When an account was added to the organization, epoch ms."""

    account_id: AccountId
    added_to_org: EpochMs


class DaysRead(DirectoryRow, frozen=True, kw_only=True, tag="days_read"):
    """From when on a site's days have been read from REST without a hole; the newest counts, and it is of no snapshot.

    ``snapshot_id`` is when the run began that says so. ``since`` is the beginning of the first day, epoch ms.
    """

    since: EpochMs


class SnapshotComplete(DirectoryRow, frozen=True, kw_only=True, tag="snapshot_complete"):
    """The last row of a snapshot, with how many rows of each kind it has, and what it has not.

    ``lacks`` names what could not be read and stays as an earlier snapshot has it: a kind (users, licenses, roles,
    projects, which are the roles in them, project types, looked), or one part of a kind (``licenses:jira-software``
    with its seats and grants, ``roles:site admin``, ``projects:ACME``). ``reads_as`` is the account that asked, where
    that was known.
    """

    users: Unsigned
    licenses: Unsigned
    roles: Unsigned
    seats: Unsigned
    completed_at: EpochMs
    lacks: list[Text] = []
    reads_as: AccountId = ""


KINDS: dict[type[DirectoryRow], str] = {
    User: "users",
    License: "licenses",
    Role: "roles",
    Seats: "seats",
    Project: "projects",
    Grant: "grants",
    Looked: "looked",
    Added: "added",
}
"""What the rows of a snapshot are called, and counted as."""

Directory = User | License | Role | Seats | Project | Grant | Looked | Added | DaysRead | SnapshotComplete


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Something Rollcall could not understand, kept whole so that it can be replayed after a fix.

    Attributes:
        letter_id: 32 hex digits over site, origin and payload: the same payload sent again is the same dead letter.
        site: Name of the Jira site; empty when not known.
        origin: ``webhook`` (payload is a signed body) or the topic the record was read from.
        position: Where on the log the record stood, such as ``rollcall.activity/0@17``; empty for a webhook.
        reason: Short stable word for counting.
        detail: One sentence for people.
        headers: Delivery headers needed to understand the payload again, as a JSON object.
        payload: The bytes as they came (base64 in the JSON).
        received_at: Epoch ms.
        settled: Why this dead letter needs no more work: empty (open), ``replayed`` or ``dismissed``. A later record of
            the same letter_id replaces an earlier one, but a dismissal holds.
    """

    letter_id: str
    site: str
    origin: str
    position: str = ""
    reason: str
    detail: str
    headers: dict[str, str] = {}
    payload: bytes = b""
    received_at: int
    settled: Literal["", "replayed", "dismissed"] = ""


_encoder = msgspec.json.Encoder()
_activity_decoder = msgspec.json.Decoder(Activity)
_directory_decoder: msgspec.json.Decoder[Directory] = msgspec.json.Decoder(Directory)
_dead_letter_decoder = msgspec.json.Decoder(DeadLetter)


encode: Callable[[Activity | Directory | DeadLetter], bytes] = _encoder.encode
"""Returns the record as one line of JSON, without a line end. The encoder's own method: every webhook runs it."""


def decode_activity(data: bytes) -> Activity:
    """Read an activity record; raises `msgspec.DecodeError` when it is none."""
    return _decoded(_activity_decoder, data)


def decode_directory(data: bytes) -> Directory:
    """Read a directory record; raises `msgspec.DecodeError` when it is none."""
    return _decoded(_directory_decoder, data)


def decode_dead_letter(data: bytes) -> DeadLetter:
    """Read a dead letter; raises `msgspec.DecodeError` when it is none."""
    return _decoded(_dead_letter_decoder, data)


def _decoded(decoder: msgspec.json.Decoder[_T], data: bytes) -> _T:
    try:
        return decoder.decode(data)
    except RecursionError:
        raise msgspec.DecodeError("nested deeper than any record") from None


DEAD_LETTER_OVERHEAD = 8 * 1024
"""Most that a webhook's dead letter takes on the log beside its payload.

Up to 5.3 KB: three headers of 256 characters, each of at most 6 bytes in JSON (4.6 KB); names of fields and headers,
ids, the site's name of at most 63 characters, reason and detail, which are the code's own words; the key; and what the
log counts for a record. The rest is room for longer words. Tests compare this with dead letters as they are made.
"""


def dead_letter_bytes(body: int) -> int:
    """Return the most bytes that the dead letter of a body of so many takes: it is in base64 there."""
    return 4 * -(-body // 3) + DEAD_LETTER_OVERHEAD


def largest_body(record: int) -> int:
    """Return the bytes of the largest body whose dead letter is sure to fit into a record of so many."""
    return max(0, (record - DEAD_LETTER_OVERHEAD) // 4 * 3)
