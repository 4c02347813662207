"""How many dead letters are open: counted on from where the last look ended, and always what the list would say."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.dead_letter_queue import DeadLetterQueue
from rollcall.dead_letters import dead_letter, record_of
from rollcall.eventlog import Entry, Record
from rollcall.eventlog.sqlite import SqliteLog
from rollcall.records import DeadLetter

from ..eventlog.sqlite_place import SqlitePlace

AGE_MS = 1000
BYTES_A_LETTER = 250
"""An id of 32 digits, a moment, and their places in two tables."""

LETTER = st.tuples(st.just("letter"), st.integers(0, 3), st.integers(0, 5))
SETTLEMENT = st.tuples(st.sampled_from(["replayed", "dismissed"]), st.integers(0, 3), st.integers(0, 5))
OTHER = st.tuples(st.sampled_from(["of another tool", "retention", "look"]), st.just(0), st.integers(0, 700))


class CountingLog:
    """A log that counts what is read of it."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.read = 0

    async def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        async for entry in self._log.scan(topic, begin):
            self.read += 1
            yield entry


def letter(number: int, received_at: int, settled: Any = "") -> DeadLetter:
    made = dead_letter("acme", "webhook", b"%d" % number, "not_json", "No JSON.", received_at)
    return msgspec.structs.replace(made, settled=settled)


def queue_of(place: SqlitePlace, log: CountingLog) -> DeadLetterQueue:
    return DeadLetterQueue(cast(Any, SimpleNamespace(log=log, topics=SimpleNamespace(deadletter=place.letters))))


@settings(deadline=None)
@example(  # as much was removed as came, byte for byte
    [
        *[("letter", 0, 0), ("letter", 0, 0), ("dismissed", 0, 0), ("retention", 0, 668), ("look", 0, 0)],
        *[("letter", 0, 0), ("letter", 1, 0), ("retention", 0, 332), ("dismissed", 0, 0)],
    ]
)
@given(st.lists(LETTER | SETTLEMENT | OTHER, max_size=20))
def test_the_count_is_that_of_the_list(done: list[tuple[str, int, int]]) -> None:
    async def main(folder: str) -> None:
        place = SqlitePlace(Path(folder) / "events.db").bounded(kept_for_ms=AGE_MS)
        log, topic = await place.open(), place.letters.name
        queue = queue_of(place, CountingLog(log))
        for what, number, when in done:
            if what == "retention":
                place.clock.ms += when
                await log.retain()
            elif what == "look":
                await queue.count_open(await log.state(topic))
            elif what == "of another tool":
                await log.append(topic, [Record(b"{}")])
            else:
                await log.append(topic, [record_of(letter(number, when, what if what != "letter" else ""))])
        assert await queue.count_open(await log.state(topic)) == len(await queue.letters())
        await log.close()

    with TemporaryDirectory() as folder:
        asyncio.run(main(folder))


@pytest.mark.anyio
async def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "events.db")
    log, topic = await place.open(), place.letters.name
    counting = CountingLog(log)
    queue = queue_of(place, counting)
    for number in range(30):
        await log.append(topic, [record_of(letter(number, number))])
        assert await queue.count_open(await log.state(topic)) == number + 1
    assert await queue.count_open(await log.state(topic)) == 30
    assert counting.read == 30
    await log.close()


@pytest.mark.anyio
async def test_what_is_kept_of_each_is_little(tmp_path: Path) -> None:
    """Whoever posts nonsense fills the log, not the memory of the process that answers webhooks."""
    place, some = SqlitePlace(tmp_path / "events.db"), 3000
    log, topic = await place.open(), place.letters.name
    headers = {"x-atlassian-webhook-flow": "Primary"}
    many = [msgspec.structs.replace(letter(number, number), headers=headers) for number in range(some)]
    await log.append(topic, [record_of(one) for one in many])
    queue = queue_of(place, CountingLog(log))
    tracemalloc.start()
    try:
        assert await queue.count_open(await log.state(topic)) == some
        assert tracemalloc.get_traced_memory()[0] / some < BYTES_A_LETTER
    finally:
        tracemalloc.stop()
    await log.close()
