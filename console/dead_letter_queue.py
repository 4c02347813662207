"""The dead letter queue as it stands: each letter once, open until it is replayed, and how many are open."""

import asyncio

import msgspec

from ingest.handler import FLOW, ORIGIN, translate
from rollcall.clock import now_ms
from rollcall.errors import NotUnderstoodError, RollcallError
from rollcall.eventlog import EventLog, Record, TopicState
from rollcall.records import Activity, DeadLetter, decode_activity, decode_dead_letter, decode_directory, encode
from rollcall.topics import Topics

SHORTEST_ID = 4
"""Fewest digits that may name a letter."""


async def read_dead_letters(event_log: EventLog, topic: str, *, settled: bool = False) -> dict[str, DeadLetter]:
    """Return the letters by id, oldest first.

    Args:
        event_log: The log.
        topic: Name of the dead-letter topic.
        settled: Whether to return also those that were replayed.

    Raises:
        LogUnavailableError: The log cannot be read.
    """
    letters: dict[str, DeadLetter] = {}
    words: dict[str, DeadLetter] = {}
    async for entry in event_log.scan(topic):
        try:
            letter = decode_dead_letter(entry.value)
        except msgspec.DecodeError:
            continue  # written by another version or tool: not ours to judge
        # By the time they came and not by their order on the log, whose partitions are read side by side.
        found = words if letter.settled else letters
        before = found.get(letter.letter_id)
        if before is None or letter.received_at >= before.received_at:
            found[letter.letter_id] = letter
    for name, word in words.items():
        letter = letters.get(name, word)
        if word.received_at >= letter.received_at:
            letters[name] = msgspec.structs.replace(letter, settled=word.settled)
    kept = sorted(letters.values(), key=lambda letter: letter.received_at)
    return {letter.letter_id: letter for letter in kept if settled or not letter.settled}


def pick_dead_letter(letters: dict[str, DeadLetter], beginning: str) -> DeadLetter:
    """Return the one letter whose id begins so.

    Raises:
        RollcallError: There is none, or more than one.
    """
    found = [letter for name, letter in letters.items() if name.startswith(beginning.lower())]
    if len(beginning) < SHORTEST_ID or len(found) != 1:
        problem = "give at least four digits" if len(beginning) < SHORTEST_ID else f"{len(found)} letters begin so"
        raise RollcallError(f"dead letter {beginning}: {problem}; `rollcall deadletter list` names them")
    return found[0]


async def replay(event_log: EventLog, topics: Topics, letter: DeadLetter) -> int:
    """Put what a letter holds onto the log, now that it can be understood, and settle the letter.

    Replaying twice does no harm: facts have identity.

    Returns:
        How many records it came to; none for a webhook that tells of no act.

    Raises:
        NotUnderstoodError: It still cannot be understood; the letter stays.
        LogUnavailableError: The log cannot take it now; the letter stays.
    """
    topic, records = _records(topics, letter)
    if records:
        await event_log.append(topic, records)
    settled = msgspec.structs.replace(letter, settled="replayed", payload=b"")
    await event_log.append(topics.deadletter.name, [Record(encode(settled), letter.letter_id.encode())])
    return len(records)


def _records(topics: Topics, letter: DeadLetter) -> tuple[str, list[Record]]:
    if letter.origin == ORIGIN:
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
    """Read a webhook again, by the clock of now: one that was behind at its receipt saw the future in it."""
    told = translate(letter.site, letter.payload, letter.headers.get(FLOW, ""), max(letter.received_at, now_ms()))
    return [msgspec.structs.replace(fact, received_at=letter.received_at) for fact in told.facts]


class OpenDeadLetters:
    """Counts open dead letters, reading them only when the topic changed: letters hold whole payloads.

    Args:
        event_log: The log.
        topic: Name of the dead-letter topic.
    """

    def __init__(self, event_log: EventLog, topic: str) -> None:
        self._log = event_log
        self._topic = topic
        self._counted: tuple[TopicState, int] | None = None
        self._turn = asyncio.Lock()

    async def count(self, state: TopicState) -> int:
        """Return the number of open letters, given how the topic stands. Raises LogUnavailableError."""
        if not state.records:
            return 0
        async with self._turn:
            if self._counted is None or self._counted[0] != state:
                self._counted = (state, len(await read_dead_letters(self._log, self._topic)))
            return self._counted[1]
