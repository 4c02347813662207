"""The dead letters as they stand: each once, and settled unless it came again after that."""

import msgspec

from rollcall.errors import RollcallError
from rollcall.eventlog import EventLog
from rollcall.records import DeadLetter, decode_dead_letter

SHORTEST_ID = 4
"""Fewest digits that may name a letter."""


async def read_letters(event_log: EventLog, topic: str, *, settled: bool = False) -> dict[str, DeadLetter]:
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


def pick(letters: dict[str, DeadLetter], beginning: str) -> DeadLetter:
    """Return the one letter whose id begins so.

    Raises:
        RollcallError: There is none, or more than one.
    """
    found = [letter for name, letter in letters.items() if name.startswith(beginning.lower())]
    if len(beginning) < SHORTEST_ID or len(found) != 1:
        problem = "give at least four digits" if len(beginning) < SHORTEST_ID else f"{len(found)} letters begin so"
        raise RollcallError(f"dead letter {beginning}: {problem}; `rollcall deadletter list` names them")
    return found[0]
