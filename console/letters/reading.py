"""The dead letters as they stand: the last word on each."""

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
    async for entry in event_log.scan(topic):
        try:
            letter = decode_dead_letter(entry.value)
        except msgspec.DecodeError:
            continue  # written by another version or tool: not ours to judge
        before = letters.get(letter.letter_id)
        if letter.settled and before:
            letter = msgspec.structs.replace(before, settled=letter.settled)
        letters[letter.letter_id] = letter
    return {name: letter for name, letter in letters.items() if settled or not letter.settled}


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
