"""What a reader of the SQLite log does beyond the contract."""

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import SqliteLog
from rollcall.eventlog.sqlite.connection import Limits

from .contract import numbered, opened, read_all, scanned, texts
from .sqlite_place import SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def test_large_records_come_few_at_a_time(place: SqlitePlace) -> None:
    place.limits = Limits(read_bytes=1000)
    async with opened(place) as log:
        await log.log.append(log.topic, [Record(bytes(size)) for size in (400, 400, 400, 5000, 10)])
        reader = await log.reader()
        sizes = [[len(entry.value) for entry in await reader.read(100, 0)] for _ in range(4)]
        assert sizes == [[400, 400, 400], [5000], [10], []]
        assert [len(text) for text in await scanned(log.log, log.topic)] == [400, 400, 400, 5000, 10]


async def test_asking_for_nothing_is_a_mistake(place: SqlitePlace) -> None:
    async with opened(place) as log:
        with pytest.raises(ValueError, match="at least 1"):
            await (await log.reader()).read(0, 0)


async def test_reading_comes_back_after_a_failure(place: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(place) as log:
        assert isinstance(log.log, SqliteLog)
        await log.append(numbered(3))
        reader = await log.reader()
        await read_all(reader, 1, at_once=1)
        with pytest.raises(LogUnavailableError, match="no such table"):
            await log.log._connection.run(lambda db: db.execute("SELECT * FROM nowhere"))
        assert texts(await read_all(reader, 2)) == numbered(2, 1)


async def test_two_readers_of_a_group_each_read_all(place: SqlitePlace) -> None:
    async with opened(place) as log:
        await log.append(numbered(4))
        one, two = await log.reader(), await log.reader()
        await one.commit(await read_all(one, 4))
        assert texts(await read_all(two, 4)) == numbered(4)
        await two.rewind()
        assert await two.read(1, 0) == []


async def test_positions_name_topic_and_offset(place: SqlitePlace) -> None:
    async with opened(place) as log:
        await log.append(["a", "b"])
        entries = await read_all(await log.reader(), 2)
        assert [(entry.partition, entry.position) for entry in entries] == [(0, "facts/0@1"), (0, "facts/0@2")]
