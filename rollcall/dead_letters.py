"""Dead letters as both ends of the log make them: ingest of webhooks, consumers of records."""

import hashlib
from collections.abc import Mapping

from rollcall.eventlog import Record
from rollcall.records import DeadLetter, encode

WEBHOOK = "webhook"
"""Origin of a dead letter whose payload is a webhook's body; the others come from a topic and bear its name."""


def dead_letter(
    site: str,
    origin: str,
    payload: bytes,
    reason: str,
    detail: str,
    received_at: int,
    *,
    position: str = "",
    headers: Mapping[str, str] | None = None,
) -> DeadLetter:
    """Make a dead letter.

    Args:
        site: Name of the Jira site in the settings; empty when not known.
        origin: `WEBHOOK`, or the topic it was read from.
        payload: The bytes as they came.
        reason: Why they were not understood, a short stable word for counting.
        detail: The same in one sentence for people.
        received_at: When they came, epoch ms.
        position: Where on the log they stood.
        headers: What of a webhook's headers is needed to read it again.
    """
    return DeadLetter(
        letter_id=dead_letter_id(site, origin, payload),
        site=site,
        origin=origin,
        position=position,
        reason=reason,
        detail=detail,
        headers=dict(headers or {}),
        payload=payload,
        received_at=received_at,
    )


def dead_letter_id(site: str, origin: str, payload: bytes) -> str:
    """Return its identity: the same payload of the same site and origin is the same dead letter."""
    return hashlib.sha256(b"\0".join((site.encode(), origin.encode(), payload))).hexdigest()[:32]


def record_of(letter: DeadLetter) -> Record:
    """Return the record to append: its key is the dead letter's id, so that a log keeps all records of one in order."""
    return Record(encode(letter), letter.letter_id.encode())
