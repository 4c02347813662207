"""What retention removes, what it must not, and that the disk gets its space back."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import database
from rollcall.eventlog.sqlite.connection import Limits

from .contract import numbered, opened, read_all, scanned, texts
from .sqlite_place import SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def test_age_goes_by_the_clock(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=1000)
    async with opened(place, place.letters) as log:
        await log.append(["old"])
        place.clock.ms += 999
        await log.append(["new"])
        assert await log.log.retain() == 0
        place.clock.ms += 1
        assert await log.log.retain() == 1
        assert await scanned(log.log, log.topic) == ["new"]
        state = await log.log.state(log.topic)
        assert (state.records, state.bytes) == (1, 3)


async def test_a_clock_set_back_removes_nothing_early(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=1000)
    async with opened(place, place.letters) as log:
        await log.append(["first"])
        place.clock.ms -= 5000
        await log.append(["second"])
        place.clock.ms += 5500
        assert await log.log.retain() == 0
        place.clock.ms += 500
        assert await log.log.retain() == 2


async def test_size_removes_the_oldest(place: SqlitePlace) -> None:
    place = place.bounded(kept_bytes=25)
    async with opened(place, place.letters) as log:
        await log.append(numbered(5))
        assert await log.log.retain() == 0
        await log.append(numbered(2, 5))
        assert await log.log.retain() == 2
        assert await scanned(log.log, log.topic) == numbered(5, 2)


@pytest.mark.parametrize("bounds", [{"kept_for_ms": 0}, {"kept_bytes": 1}])
async def test_the_slowest_group_holds_retention_back(place: SqlitePlace, bounds: dict[str, int]) -> None:
    async with opened(place.bounded(**bounds)) as log:
        await log.append(numbered(10))
        assert await log.log.retain() == 0  # nobody has read it yet
        slow, fast = await log.reader("slow"), await log.reader("fast")
        await fast.commit(await read_all(fast, 10))
        assert await log.log.retain() == 0  # a group counts before its first commit
        entries = await read_all(slow, 10)
        await slow.commit(entries[:4])
        assert await log.log.retain() == 4
        assert (await log.log.state(log.topic)).lag == {"slow": 6, "fast": 0}
        await slow.rewind()
        assert texts(await read_all(slow, 6)) == numbered(6, 4)
        late = await log.reader("late")
        assert texts(await read_all(late, 6)) == numbered(6, 4)
        assert (await log.log.state(log.topic)).lag["late"] == 6
        await slow.commit(entries)
        await late.commit(entries)
        assert await log.log.retain() == 6
        assert (await log.log.state(log.topic)).lag == {"slow": 0, "fast": 0, "late": 0}


async def test_offsets_are_never_given_twice(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=0)
    async with opened(place) as log:
        await log.append(["a", "b"])
        reader = await log.reader()
        await reader.commit(await read_all(reader, 2))
        assert await log.log.retain() == 2
    async with opened(place) as log:
        await log.append(["c"])
        assert texts(await read_all(await log.reader(), 1)) == ["c"]


async def test_letters_age_out_under_a_reader(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=0)
    async with opened(place, place.letters) as log:
        reader = await log.reader()
        await log.append(numbered(5))
        assert await log.log.retain() == 5
        await log.append(["next"])
        assert texts(await read_all(reader, 1)) == ["next"]


async def test_appends_get_in_between_the_steps(place: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "STEP_RECORDS", 10)
    place = place.bounded(kept_for_ms=1)
    async with opened(place, place.letters) as log:
        await log.append(numbered(1000))
        place.clock.ms += 1
        retaining = asyncio.create_task(log.log.retain())
        appended = 0
        while not retaining.done():
            await log.append([f"during {appended}"])
            appended += 1
        assert await retaining == 1000
        assert appended > 10
        assert await scanned(log.log, log.topic) == [f"during {n}" for n in range(appended)]


async def test_the_file_shrinks_and_is_used_again(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=1)
    blocks = [Record(bytes(50_000)) for _ in range(200)]
    async with opened(place, place.letters) as log:
        await log.log.append(log.topic, blocks)
        await log.log.retain()
        full = place.path.stat().st_size
        assert full > 10_000_000
        assert place.wal.stat().st_size == 0
        place.clock.ms += 1
        assert await log.log.retain() == 200
        small = place.path.stat().st_size
        assert small < full / 4
        for _ in range(3):
            await log.log.append(log.topic, blocks[:20])
            place.clock.ms += 1
            assert await log.log.retain() == 20
        assert place.path.stat().st_size <= small + 1_000_000
    with closing(sqlite3.connect(place.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_the_wal_stays_bounded_under_readers(place: SqlitePlace) -> None:
    place.limits = Limits(wal_bytes=1_000_000)
    async with opened(place) as log:
        reader = await log.reader()
        largest = 0

        async def read() -> None:
            while True:
                await reader.commit(await reader.read(3, 1))

        reading = asyncio.create_task(read())
        for _ in range(200):
            await log.log.append(log.topic, [Record(bytes(100_000))])
            largest = max(largest, place.wal.stat().st_size)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        # 20 MB went through; a moment without readers may take a few commits to come
        assert largest < 6_000_000


async def test_a_backup_that_holds_the_wal_stops_nobody(place: SqlitePlace) -> None:
    place.limits = Limits(wal_bytes=500_000)
    async with opened(place) as log:
        await log.append(["before"])
        with closing(sqlite3.connect(place.path, isolation_level=None)) as backup:
            backup.execute("BEGIN")
            backup.execute("SELECT count(*) FROM topics").fetchone()
            for _ in range(30):
                await log.log.append(log.topic, [Record(bytes(100_000))])
            assert await log.log.retain() == 0
            assert place.wal.stat().st_size > 2_500_000
            backup.execute("ROLLBACK")
        await log.log.retain()
        assert place.wal.stat().st_size == 0
        assert (await log.log.state(log.topic)).records == 31


async def test_retention_keeps_topics_apart(place: SqlitePlace) -> None:
    place = place.bounded(kept_for_ms=0)
    async with opened(place) as log:
        await log.append(["fact"])
        await log.log.append(place.letters.name, [Record(b"letter")])
        assert await log.log.retain() == 1
        assert await scanned(log.log, place.consumed.name) == ["fact"]
        assert await scanned(log.log, place.letters.name) == []
