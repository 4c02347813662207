"""Poison: records that cannot be written, set aside as dead letters, and when to stop instead of that.

One bad record is set aside: whole, with the reason and the offset it was read from. Many bad ones mean that something
systematic is wrong, such as a release that cannot read its own records: then stopping keeps the log as it is, to be
read after the fix, where going on would drain it into the dead letters.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from rollcall.clock import now_ms
from rollcall.dead_letters import dead_letter, record_of
from rollcall.errors import TooMuchPoisonError
from rollcall.eventlog import Entry, EventLog
from rollcall.forgotten_accounts import ForgottenAccounts

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that no fact can be made of, and why."""

    entry: Entry
    reason: str
    detail: str


def readable(
    entries: Sequence[Entry],
    decode: Callable[[bytes], _Record],
    what: str,
    forgotten: ForgottenAccounts,
    poison: list[Poison],
) -> Iterator[tuple[Entry, _Record]]:
    """Yield the entries that hold a record, each with it; an empty one held somebody's who was forgotten since.

    Args:
        entries: As they were read.
        decode: Makes the record, or raises `msgspec.DecodeError`.
        what: What the record is called, with its article.
        forgotten: Whoever of them a value names, it is no dead letter.
        poison: Gets all other entries.
    """
    for entry in entries:
        if not entry.value:
            continue
        try:
            record = decode(entry.value)
        except msgspec.DecodeError as error:
            if not forgotten.names_any(entry.value):
                poison.append(Poison(entry, "bad_record", f"not {what} record: {error}"))
        else:
            yield entry, record


class FailureRate:
    """The share of poison among the last records read.

    Args:
        window: How many records to look back.
        ratio: Share at which to stop.
    """

    def __init__(self, window: int, ratio: float) -> None:
        self._window = window
        self._ratio = ratio
        self._batches: deque[tuple[int, int]] = deque()
        self._seen = 0
        self._poison = 0

    def add(self, seen: int, poison: int, example: str = "") -> None:
        """Add a batch before its poison is set aside.

        Args:
            seen: Records of the batch.
            poison: How many of them are poison.
            example: One of them, where it stands and what is wrong with it.

        Raises:
            TooMuchPoisonError: With it the share is too large; the batch is not counted.
        """
        allowed = self._ratio * max(self._window, self._seen + seen)
        if self._poison + poison >= allowed:
            raise TooMuchPoisonError(
                f"{self._poison + poison} of the last {self._seen + seen} records cannot be read (limit "
                f"{self._ratio:.0%} of {max(self._window, self._seen + seen)}): something systematic is wrong. "
                f"Nothing was thrown away. The first: {example}. Mend the cause and start again"
            )
        self._batches.append((seen, poison))
        self._seen += seen
        self._poison += poison
        while self._batches and self._seen - self._batches[0][0] >= self._window:
            old_seen, old_poison = self._batches.popleft()
            self._seen -= old_seen
            self._poison -= old_poison


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
