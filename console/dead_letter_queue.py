"""The dead letter queue as it stands: each dead letter once, open until it is settled, and how many are open."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import msgspec

from ingest.handler import FLOW, own_fault, translate
from rollcall.clock import now_ms
from rollcall.dead_letters import WEBHOOK, record_of
from rollcall.errors import NotUnderstoodError, RollcallError
from rollcall.eventlog import Record, TopicState
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
        self._counted: tuple[TopicState, int] | None = None
        self._counting = asyncio.Lock()

    async def letters(self, *, settled: bool = False, payloads: bool = True) -> dict[str, DeadLetter]:
        """Return the dead letters by id, oldest first.

        Args:
            settled: Whether to return also those that were replayed or dismissed.
            payloads: Whether with what they hold, all of which is then in memory.

        Raises:
            LogUnavailableError: The log cannot be read.
        """
        letters: dict[str, DeadLetter] = {}
        settlements: dict[str, DeadLetter] = {}
        async for entry in self._log.scan(self._topics.deadletter.name):
            try:
                letter = decode_dead_letter(entry.value)
            except msgspec.DecodeError:
                continue  # written by another version or tool: not ours to judge
            if not payloads:
                letter = msgspec.structs.replace(letter, payload=b"")
            # By the time they came and not by their order on the log, whose partitions are read side by side.
            found = settlements if letter.settled else letters
            before = found.get(letter.letter_id)
            if before is None or _replaces(letter, before):
                found[letter.letter_id] = letter
        for name, settlement in settlements.items():
            letter = letters.get(name, settlement)
            if settlement.settled == "dismissed" or settlement.received_at >= letter.received_at:
                letters[name] = msgspec.structs.replace(letter, settled=settlement.settled)
        oldest_first = sorted(letters.values(), key=lambda letter: letter.received_at)
        return {letter.letter_id: letter for letter in oldest_first if settled or not letter.settled}

    async def count_open(self, state: TopicState) -> int:
        """Return how many are open; they are read only when the topic changed, for they may be many and large.

        Args:
            state: How the topic of dead letters stands.

        Raises:
            LogUnavailableError: The log cannot be read.
        """
        if not state.records:
            return 0
        async with self._counting:
            if self._counted is None or self._counted[0] != state:
                self._counted = (state, len(await self.letters(payloads=False)))
            return self._counted[1]

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


def _replaces(letter: DeadLetter, before: DeadLetter) -> bool:
    """Tell whether a record of a dead letter counts instead of another one: the later, but a dismissal holds."""
    if "dismissed" in (letter.settled, before.settled):
        return letter.settled == "dismissed"
    return letter.received_at >= before.received_at


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
