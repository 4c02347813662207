"""The dead letter queue as it stands: each dead letter once, open until it is settled, and how many are open."""

import asyncio
from collections.abc import Iterator, Mapping
from math import inf
from typing import Literal

import msgspec

from ingest.handler import FLOW, own_fault, translate
from rollcall.clock import now_ms
from rollcall.dead_letters import WEBHOOK, record_of
from rollcall.errors import NotUnderstoodError, RollcallError
from rollcall.eventlog import Entry, Record, TopicState
from rollcall.jira.values import EARLIEST_MS
from rollcall.records import Activity, DeadLetter, decode_activity, decode_dead_letter, decode_directory, encode
from rollcall.runtime import Runtime, Topics

SHORTEST_ID = 4
"""Fewest digits that may name a dead letter."""


class DeadLetterQueue:
    """The dead letters of a log.

    Args:
        runtime: The log and its topics.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._log = runtime.log
        self._topics = runtime.topics
        self._counted = _Counted(0)
        self._counting = asyncio.Lock()

    async def letters(self, *, settled: bool = False, payloads: bool = True) -> dict[str, DeadLetter]:
        """Return the dead letters by id, oldest first.

        Args:
            settled: Whether to return also those that were replayed or dismissed.
            payloads: Whether with what they hold, all of which is then in memory.

        Raises:
            LogUnavailableError: The log cannot be read.
        """
        queue = _Fold()
        async for entry in self._log.scan(self._topics.deadletter.name):
            if letter := _decode(entry):
                queue.add(letter if payloads else msgspec.structs.replace(letter, payload=b""))
        oldest_first = sorted(queue.letters(), key=lambda letter: letter.received_at)
        return {letter.letter_id: letter for letter in oldest_first if settled or not letter.settled}

    async def count_open(self, state: TopicState) -> int:
        """Return how many are open; only those are read that are new on the topic, for they may be many and large.

        Args:
            state: How the topic of dead letters stands.

        Raises:
            LogUnavailableError: The log cannot be read.
        """
        async with self._counting:
            if (begin := state.end - state.records) != self._counted.begin:  # retention removed some
                self._counted = _Counted(begin)
            counted = self._counted
            if state.end != counted.end:
                async for entry in self._log.scan(self._topics.deadletter.name, counted.following):
                    counted.add(entry)
                counted.end = state.end
            return counted.open

    async def replay(self, letter: DeadLetter) -> int:
        """Put what a dead letter holds onto the log, now that it can be understood, and settle it.

        Replaying twice does no harm: facts have identity.

        Returns:
            How many records it came to; none for a webhook without a fact.

        Raises:
            NotUnderstoodError: It still cannot be understood; the dead letter stays.
            LogUnavailableError: The log cannot take it now; the dead letter stays.
        """
        topic, records = _records(self._topics, letter)
        if records:
            await self._log.append(topic, records)
        await self._settle(letter, "replayed")
        return len(records)

    async def dismiss(self, letter: DeadLetter) -> None:
        """Settle a dead letter as it is, also for the case that the same one comes again.

        Raises:
            LogUnavailableError: The log cannot take it now; the dead letter stays.
        """
        await self._settle(letter, "dismissed")

    async def _settle(self, letter: DeadLetter, how: Literal["replayed", "dismissed"]) -> None:
        settled = msgspec.structs.replace(letter, settled=how, payload=b"")
        await self._log.append(self._topics.deadletter.name, [record_of(settled)])


class _Fold:
    """What the records of dead letters come to, by the time they came: a log's partitions are read side by side."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._settlements: dict[str, DeadLetter] = {}

    def add(self, letter: DeadLetter) -> None:
        """Take a record."""
        found = self._settlements if letter.settled else self._letters
        before = found.get(letter.letter_id)
        if before is None or _until(letter) >= _until(before):
            found[letter.letter_id] = letter

    def letters(self) -> Iterator[DeadLetter]:
        """Iterate over the dead letters as they stand."""
        return map(self._standing, self._letters | self._settlements)

    def _standing(self, name: str) -> DeadLetter:
        settlement = self._settlements.get(name)
        letter = self._letters.get(name) or self._settlements[name]
        if settlement and _until(settlement) >= letter.received_at:
            return msgspec.structs.replace(letter, settled=settlement.settled)
        return letter


class _Counted:
    """What was counted of the topic so far.

    Args:
        begin: Where the topic begins.

    Attributes:
        begin: Where it began.
        end: Where it ended.
        following: What is to be read next of each partition.
        open: Dead letters that are open.
    """

    def __init__(self, begin: int) -> None:
        self.begin = self.end = begin
        self.open = 0
        self.following: dict[int, int] = {}
        # Of each letter two moments and no more: hundreds of thousands may be open, and this stays in memory.
        self._came: dict[str, float] = {}
        self._settled: dict[str, float] = {}

    def add(self, entry: Entry) -> None:
        """Take the next record of a partition."""
        self.following[entry.partition] = entry.offset + 1
        if letter := _decode(entry):
            name = letter.letter_id
            self.open -= self._is_open(name)
            found = self._settled if letter.settled else self._came
            found[name] = max(_until(letter), found.get(name, -inf))
            self.open += self._is_open(name)

    def _is_open(self, name: str) -> bool:
        """Return whether there is one of this id that is not settled, as `_Fold` tells it."""
        return name in self._came and self._came[name] > self._settled.get(name, -inf)


def matching(letters: Mapping[str, DeadLetter], site: str | None, reason: str | None) -> dict[str, DeadLetter]:
    """Return the dead letters of a site and of a reason; None for any."""
    return {
        name: letter
        for name, letter in letters.items()
        if site in (None, letter.site) and reason in (None, letter.reason)
    }


def pick_dead_letter(letters: Mapping[str, DeadLetter], beginning: str) -> DeadLetter:
    """Return the one dead letter whose id begins so.

    Raises:
        RollcallError: There is none, or more than one.
    """
    found = [letter for name, letter in letters.items() if name.startswith(beginning.lower())]
    if len(beginning) < SHORTEST_ID or len(found) != 1:
        problem = "give at least four digits" if len(beginning) < SHORTEST_ID else f"{len(found)} letters begin so"
        raise RollcallError(f"dead letter {beginning}: {problem}; `rollcall deadletter list` names them")
    return found[0]


def _decode(entry: Entry) -> DeadLetter | None:
    """Return the dead letter that was put on the log; None for what another version or tool wrote there."""
    try:
        return decode_dead_letter(entry.value)
    except msgspec.DecodeError:
        return None


def _until(letter: DeadLetter) -> float:
    """Return until when a record of a dead letter counts before others: the later one, but a dismissal holds."""
    return inf if letter.settled == "dismissed" else letter.received_at


def _records(topics: Topics, letter: DeadLetter) -> tuple[str, list[Record]]:
    if letter.origin == WEBHOOK:
        return topics.activity.name, [Record(encode(fact), fact.event_key.encode()) for fact in _facts(letter)]
    decoders = {topics.activity.name: decode_activity, topics.directory.name: decode_directory}
    if letter.origin not in decoders:
        raise NotUnderstoodError("unknown_origin", f"read from {letter.origin}, a topic that is not in the settings")
    try:
        decoders[letter.origin](letter.payload)
    except msgspec.DecodeError as error:
        raise NotUnderstoodError("bad_record", f"still no record: {error}") from None
    return letter.origin, [Record(letter.payload, letter.letter_id.encode())]


def _facts(letter: DeadLetter) -> list[Activity]:
    """Read a webhook again, by the clock of now: that of its receipt may have been wrong, by decades after a start."""
    now = now_ms()
    received_at = letter.received_at if EARLIEST_MS <= letter.received_at <= now else now
    try:
        translation = translate(letter.site, letter.payload, letter.headers.get(FLOW, ""), now)
    except NotUnderstoodError:
        raise
    except Exception as error:  # a mistake of ours must not keep the other dead letters from being replayed
        raise own_fault(error) from error
    return [msgspec.structs.replace(fact, received_at=received_at) for fact in translation.facts]
