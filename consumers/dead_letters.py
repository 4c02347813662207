"""Poison records as dead letters: whole, with the reason and the offset they were read from."""

from collections.abc import Sequence

import msgspec

from consumers.writers import Poison
from rollcall.clock import now_ms
from rollcall.dead_letters import dead_letter, record_of
from rollcall.eventlog import EventLog


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
        dead_letter(
            _site(bad.entry.value),
            origin_topic,
            bad.entry.value,
            bad.reason,
            bad.detail,
            now,
            position=bad.entry.position,
        )
        for bad in poison
    ]
    await log.append(deadletter_topic, [record_of(letter) for letter in letters])
