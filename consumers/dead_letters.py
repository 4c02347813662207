"""Poison records as dead letters: whole, with the reason and the offset they were read from."""

import hashlib
from collections.abc import Sequence

import msgspec

from consumers.writers import Poison
from rollcall.clock import now_ms
from rollcall.eventlog import EventLog, Record
from rollcall.records import DeadLetter, encode


def letter_id(site: str, origin: str, payload: bytes) -> str:
    """Return the identity of a dead letter: the same payload from the same origin is the same letter."""
    digest = hashlib.sha256(b"\0".join((site.encode(), origin.encode(), payload)))
    return digest.hexdigest()[:32]


class _Sited(msgspec.Struct):
    site: str = ""


def _site(value: bytes) -> str:
    """Return the site that a broken record names, if it can still be read."""
    try:
        return msgspec.json.decode(value, type=_Sited).site
    except (msgspec.DecodeError, RecursionError):
        return ""


async def append_dead_letters(
    log: EventLog, deadletter_topic: str, origin_topic: str, poison: Sequence[Poison]
) -> None:
    """Append poison records to the dead letters, durably.

    Raises:
        LogUnavailableError: Do not commit; they will be read and set aside again, under the same identity.
    """
    now = now_ms()
    letters = [
        DeadLetter(
            letter_id=letter_id("", origin_topic, bad.entry.value),
            site=_site(bad.entry.value),
            origin=origin_topic,
            position=bad.entry.position,
            reason=bad.reason,
            detail=bad.detail,
            payload=bad.entry.value,
            received_at=now,
        )
        for bad in poison
    ]
    records = [Record(encode(letter), letter.letter_id.encode()) for letter in letters]
    await log.append(deadletter_topic, records)
