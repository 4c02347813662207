"""Try a dead letter again."""

import msgspec

from ingest.deadletters import FLOW, ORIGIN
from ingest.translate import translate
from rollcall.clock import now_ms
from rollcall.errors import NotUnderstoodError
from rollcall.eventlog import EventLog, Record
from rollcall.records import Activity, DeadLetter, decode_activity, decode_directory, encode
from rollcall.topics import Topics


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
