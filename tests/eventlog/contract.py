"""What every event log must do: one suite, run by each implementation.

It assumes neither offsets without gaps nor a single partition, and order only among records of equal key.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Entry, EventLog, Reader, Record, Topic

LONG_MS = 365 * 24 * 3600 * 1000
PATIENCE = 30.0
"""Seconds after which a read gives up; only a failing test waits for so long."""


class Place(Protocol):
    """Where one test's log is: the same records whenever it is opened. Provided by the fixture `place`."""

    consumed: Topic
    letters: Topic
    """Not consumed: ages out whoever read it."""

    async def open(self) -> EventLog: ...


@dataclass
class Opened:
    """An open log, with short forms for tests."""

    log: EventLog
    topic: str

    async def append(self, values: Iterable[str], key: bytes = b"k") -> None:
        await self.log.append(self.topic, [Record(value.encode(), key) for value in values])

    async def reader(self, group: str = "group") -> Reader:
        return await self.log.reader(self.topic, group)


@asynccontextmanager
async def opened(place: Place, topic: Topic | None = None) -> AsyncIterator[Opened]:
    log = await place.open()
    try:
        yield Opened(log, (topic or place.consumed).name)
    finally:
        await log.close()


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{n:05d}" for n in range(start, start + count)]


def texts(entries: Iterable[Entry]) -> list[str]:
    return [entry.value.decode() for entry in entries]


async def read_all(reader: Reader, count: int, at_once: int = 100) -> list[Entry]:
    """Read until so many records came."""
    entries: list[Entry] = []
    while len(entries) < count:
        some = await reader.read(at_once, PATIENCE)
        assert some, f"only {len(entries)} of {count} came"
        entries += some
    return entries


def accept_all(reader: Reader) -> None:
    for position in reader.unaccepted():
        reader.accept(position)


def positions_at(reader: Reader, entries: Sequence[Entry]) -> list[tuple[int, str]]:
    """Offset and metadata of a reader's positions in the partition that these entries, of one key, are in."""
    found = [position for position in reader.unaccepted() if position.partition == entries[0].partition]
    return [(position.offset, position.metadata) for position in found]


async def left_over(reader: Reader) -> Sequence[Entry]:
    return await reader.read(100, 0.2)


async def scanned(log: EventLog, topic: str) -> list[str]:
    return [entry.value.decode() async for entry in log.scan(topic)]


@pytest.mark.anyio
class EventLogContract:
    """Subclass as `Test…` beside a fixture `place` that returns a fresh Place."""

    def open(self, place: Place) -> AbstractAsyncContextManager[Opened]:
        return opened(place)

    async def test_records_of_one_key_come_back_in_order(self, place: Place) -> None:
        async with self.open(place) as log:
            for start in range(0, 30, 3):
                await log.append(numbered(3, start))
            entries = await read_all(await log.reader(), 30)
        assert texts(entries) == numbered(30)

    async def test_records_of_many_keys_all_come_back(self, place: Place) -> None:
        async with self.open(place) as log:
            for key in range(20):
                await log.append([f"{key}-{n}" for n in range(5)], key=str(key).encode())
            entries = await read_all(await log.reader(), 100)
        for key in range(20):
            assert [text for text in texts(entries) if text.startswith(f"{key}-")] == [f"{key}-{n}" for n in range(5)]

    async def test_concurrent_appends_are_all_there(self, place: Place) -> None:
        async with self.open(place) as log:
            await asyncio.gather(*(log.append([f"{n}-a", f"{n}-b"], str(n).encode()) for n in range(200)))
            entries = await read_all(await log.reader(), 400)
        assert sorted(texts(entries)) == sorted(f"{n}-{half}" for n in range(200) for half in "ab")

    async def test_values_are_kept_byte_for_byte(self, place: Place) -> None:
        values = [b"\x00\xff\xfe", b"{}", bytes(range(256)) * 1024, "é\u2028".encode()]
        async with self.open(place) as log:
            await log.log.append(log.topic, [Record(value) for value in values])
            entries = await read_all(await log.reader(), len(values))
        assert sorted(entry.value for entry in entries) == sorted(values)

    async def test_places_of_records_are_all_different(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(20))
            entries = await read_all(await log.reader(), 20)
        assert len({(entry.partition, entry.offset) for entry in entries}) == 20
        assert len({entry.position for entry in entries}) == 20
        assert all(entry.position.startswith(log.topic + "/") for entry in entries)

    async def test_appending_nothing_is_nothing(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append([])
            assert await scanned(log.log, log.topic) == []

    async def test_scanning_goes_on_where_it_ended(self, place: Place) -> None:
        async with self.open(place) as log:
            for key in range(12):
                await log.append([f"{key}-{n}" for n in range(3)], key=str(key).encode())
            following = {entry.partition: entry.offset + 1 async for entry in log.log.scan(log.topic)}
            assert [entry async for entry in log.log.scan(log.topic, following)] == []
            new = [f"new-{key}" for key in range(12)]
            for value in new:
                await log.append([value], key=value.encode())
            assert sorted([entry.value.decode() async for entry in log.log.scan(log.topic, following)]) == sorted(new)

    async def test_a_bad_record_spares_its_neighbours(self, place: Place) -> None:
        bad: Any = "no bytes"
        async with self.open(place) as log:
            outcomes = await asyncio.gather(
                log.append(["before"]),
                log.log.append(log.topic, [Record(b"good half"), Record(bad)]),
                log.append(["after"]),
                return_exceptions=True,
            )
            assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, type(None)]
            assert sorted(await scanned(log.log, log.topic)) == ["after", "before"]

    async def test_an_unknown_topic_is_refused(self, place: Place) -> None:
        async with self.open(place) as log:
            with pytest.raises(ValueError, match="nowhere"):
                await log.log.append("nowhere", [Record(b"x")])
            with pytest.raises(ValueError, match="nowhere"):
                await log.log.reader("nowhere", "group")

    async def test_records_survive_reopening(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(5))
        async with self.open(place) as log:
            await log.append(numbered(5, 5))
            assert texts(await read_all(await log.reader(), 10)) == numbered(10)

    async def test_reading_waits_for_a_record(self, place: Place) -> None:
        async with self.open(place) as log:
            reader = await log.reader()
            reading = asyncio.create_task(read_all(reader, 1))
            await asyncio.sleep(0)
            await log.append(["late"])
            assert texts(await reading) == ["late"]

    async def test_reading_an_empty_topic_ends_empty(self, place: Place) -> None:
        async with self.open(place) as log:
            reader = await log.reader()
            assert list(await reader.read(10, 0)) == []
            assert list(await reader.read(10, 0.01)) == []

    async def test_a_read_never_returns_more_than_asked(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            reader = await log.reader()
            sizes, entries = [], list[Entry]()
            while len(entries) < 10:
                some = await reader.read(3, PATIENCE)
                sizes.append(len(some))
                entries += some
        assert max(sizes) <= 3
        assert texts(entries) == numbered(10)

    async def test_a_cancelled_read_loses_nothing(self, place: Place) -> None:
        async with self.open(place) as log:
            reader = await log.reader()
            for turn in range(10):
                reading = asyncio.create_task(reader.read(10, PATIENCE))
                for _ in range(turn):
                    await asyncio.sleep(0)
                appending = asyncio.create_task(log.append([str(turn)]))
                for _ in range(turn):
                    await asyncio.sleep(0.001)
                if reading.cancel():
                    with pytest.raises(asyncio.CancelledError):
                        await reading
                await appending
                if reading.cancelled():
                    assert texts(await read_all(reader, 1)) == [str(turn)]

    async def test_what_was_committed_is_not_read_again(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            reader = await log.reader()
            done = await read_all(reader, 6, at_once=6)
            await reader.commit(done)
            await read_all(reader, 4)
            await reader.close()
            reader = await log.reader()
            again = await read_all(reader, 10 - len(done))
            assert texts([*done, *again]) == numbered(10)
            await reader.close()
        async with self.open(place) as log:
            again = await read_all(await log.reader(), 10 - len(done))
            assert texts([*done, *again]) == numbered(10)

    async def test_a_part_of_what_was_read_can_be_committed(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            reader = await log.reader()
            entries = await read_all(reader, 10)
            await reader.commit(entries[:4])
            await reader.close()
            assert texts(await read_all(await log.reader(), 6)) == numbered(6, 4)

    async def test_rewinding_goes_back_to_the_commit(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(8))
            reader = await log.reader()
            entries = await read_all(reader, 8)
            await reader.rewind()
            assert texts(await read_all(reader, 8)) == numbered(8)
            await reader.commit(entries[:5])
            await reader.rewind()
            assert texts(await read_all(reader, 3)) == numbered(3, 5)

    async def test_an_old_commit_moves_nothing_back(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(8))
            reader = await log.reader()
            entries = await read_all(reader, 8)
            await reader.commit(entries)
            await reader.commit(entries[:2])
            await reader.commit([])
            await reader.rewind()
            assert list(await left_over(reader)) == []

    async def test_what_stands_beside_a_position_comes_with_it(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(8))
            reader = await log.reader()
            assert {position.metadata for position in reader.unaccepted()} == {""}
            accept_all(reader)
            assert list(reader.unaccepted()) == []
            entries = await read_all(reader, 8)
            await reader.commit(entries[:5], {entries[0].partition: "five"})
            await reader.close()
            again = await log.reader()
            assert positions_at(again, entries) == [(entries[5].offset, "five")]
            await again.commit(await read_all(again, 3))
            state = await log.log.state(log.topic)
            await again.close()
            third = await log.reader()
            assert positions_at(third, entries) == [(entries[-1].offset + 1, "five")]
            assert list(state.positions["group"]) == sorted(third.unaccepted(), key=lambda one: one.partition)

    async def test_the_end_moves_by_what_is_appended(self, place: Place) -> None:
        async with self.open(place) as log:
            before = await log.log.state(log.topic)
            await log.append(numbered(4))
            after = await log.log.state(log.topic)
            assert (after.end - before.end, after.records - before.records) == (4, 4)

    async def test_what_was_not_accepted_is_not_committed_with_metadata(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(4))
            reader = await log.reader()
            entries = await read_all(reader, 4)
            beside = {entries[0].partition: "beside"}
            await reader.commit(entries, beside)
            await reader.rewind()
            entries = await read_all(reader, 4)
            accept_all(reader)
            await reader.commit(entries, {})
            await reader.rewind()
            assert texts(await read_all(reader, 4)) == numbered(4)
            await reader.commit(entries, beside)
            await reader.rewind()
            assert list(await left_over(reader)) == []

    async def test_a_restart_sends_the_group_back_to_the_oldest_record(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(6))
            reader = await log.reader()
            entries = await read_all(reader, 6)
            await reader.commit(entries[:4])
            await reader.close()
            reader = await log.reader()
            await read_all(reader, 2)
            back = [await reader.restart(position, "anew") for position in reader.unaccepted()]
            assert sum(back) == 4
            assert list(reader.unaccepted()) == []
            assert (await log.log.state(log.topic)).lag == {"group": 6}
            assert texts(await read_all(reader, 6)) == numbered(6)
            await reader.close()
            reader = await log.reader()
            [(offset, beside)] = positions_at(reader, entries)
            assert (offset <= entries[0].offset, beside) == (True, "anew")
            accept_all(reader)
            await reader.commit(await read_all(reader, 6), {entries[0].partition: "anew"})
            assert (await log.log.state(log.topic)).lag == {"group": 0}

    async def test_a_new_group_has_nothing_to_go_back_over(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(3))
            reader = await log.reader()
            assert {await reader.restart(position, "x") for position in reader.unaccepted()} == {0}
            assert texts(await read_all(reader, 3)) == numbered(3)

    async def test_groups_do_not_disturb_each_other(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(5))
            one = await log.reader("one")
            await one.commit(await read_all(one, 5))
            await log.append(numbered(5, 5))
            assert texts(await read_all(await log.reader("two"), 10)) == numbered(10)
            assert texts(await read_all(one, 5)) == numbered(5, 5)

    async def test_two_readers_of_a_group_miss_nothing(self, place: Place) -> None:
        async with self.open(place) as log:
            for key in range(40):
                await log.append([str(key)], key=str(key).encode())
            readers = [await log.reader(), await log.reader()]
            seen: set[str] = set()
            while len(seen) < 40:
                for entries in await asyncio.gather(*(reader.read(7, 0.5) for reader in readers)):
                    seen.update(texts(entries))
        assert seen == {str(key) for key in range(40)}

    async def test_topics_do_not_mix(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(["fact"])
            await log.log.append(place.letters.name, [Record(b"letter")])
            assert await scanned(log.log, place.consumed.name) == ["fact"]
            assert await scanned(log.log, place.letters.name) == ["letter"]

    async def test_scanning_belongs_to_no_group(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            reader = await log.reader()
            await reader.commit(await read_all(reader, 10))
            assert await scanned(log.log, log.topic) == numbered(10)
            assert await scanned(log.log, log.topic) == numbered(10)
            assert list(await left_over(reader)) == []

    async def test_scanning_ends_where_it_began(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(["old"])
            found = []
            async for entry in log.log.scan(log.topic):
                found.append(entry.value.decode())
                await log.append(["new"])
            assert found == ["old"]

    async def test_lag_counts_what_a_group_did_not_commit(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            reader = await log.reader("slow")
            state = await log.log.state(log.topic)
            assert state.records == 10
            assert state.bytes >= 50
            assert state.lag == {"slow": 10}
            entries = await read_all(reader, 10)
            assert (await log.log.state(log.topic)).lag == {"slow": 10}
            await reader.commit(entries[:7])
            assert (await log.log.state(log.topic)).lag == {"slow": 3}
            await reader.commit(entries)
            await log.append(["more"])
            assert (await log.log.state(log.topic)).lag == {"slow": 1}

    async def test_retention_spares_what_was_not_committed(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(numbered(10))
            await log.log.retain()
            reader = await log.reader()
            entries = await read_all(reader, 10)
            await reader.commit(entries[:4])
            await log.log.retain()
            await reader.rewind()
            assert texts(await read_all(reader, 6)) == numbered(6, 4)

    async def test_checking_leaves_no_trace(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.log.check()
            assert await scanned(log.log, log.topic) == []
            assert await scanned(log.log, place.letters.name) == []

    async def test_a_closed_log_takes_and_gives_nothing(self, place: Place) -> None:
        async with self.open(place) as log:
            reader = await log.reader()
            waiting = asyncio.create_task(reader.read(1, PATIENCE))
            await asyncio.sleep(0.01)
            await log.log.close()
            for refused in (waiting, log.append(["x"]), log.log.check(), log.log.state(log.topic)):
                with pytest.raises(LogUnavailableError):
                    await refused

    async def test_closing_finishes_what_was_appended(self, place: Place) -> None:
        async with self.open(place) as log:
            appends = [asyncio.create_task(log.append([str(n)])) for n in range(50)]
            await asyncio.sleep(0)
            await log.log.close()
            await asyncio.gather(*appends)
        async with self.open(place) as log:
            assert sorted(await scanned(log.log, log.topic), key=int) == [str(n) for n in range(50)]

    async def test_a_closed_reader_reads_no_more(self, place: Place) -> None:
        async with self.open(place) as log:
            await log.append(["x"])
            reader = await log.reader()
            await reader.close()
            with pytest.raises(LogUnavailableError):
                await reader.read(1, 0)
