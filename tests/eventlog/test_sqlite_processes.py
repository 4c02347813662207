"""Several processes at one log."""

import asyncio

import pytest

from .contract import PATIENCE, opened, read_all, texts
from .processes import child, lines
from .sqlite_place import SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@pytest.mark.timeout(30)  # a reader that nobody wakes would wait for an hour
async def test_a_waiting_reader_sees_what_another_process_appends(place: SqlitePlace) -> None:
    async with opened(place) as log:
        reader = await log.reader()
        reading = asyncio.create_task(reader.read(1, 3600))
        with child("append", place.path, "other", 1) as process:
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        assert texts(await reading) == ["other.0"]


async def test_processes_append_at_once_and_none_is_shut_out(place: SqlitePlace) -> None:
    count = 400
    mine = [f"mine.{n}" for n in range(count)]
    async with opened(place) as log:
        reader = await log.reader()
        with child("append", place.path, "one", count) as one, child("append", place.path, "two", count) as two:
            assert one.stdout is not None
            await asyncio.to_thread(one.stdout.readline)
            for name in mine:
                await log.append([name])
            for process in (one, two):
                await asyncio.to_thread(list, lines(process))
                assert process.wait() == 0
        entries = await read_all(reader, 3 * count)
        assert sorted(texts(entries)) == sorted(mine + [f"{name}.{n}" for name in ("one", "two") for n in range(count)])
        assert [text for text in texts(entries) if text.startswith("mine")] == mine
        assert (await log.log.state(log.topic)).records == 3 * count


async def test_commits_of_one_process_hold_in_another(place: SqlitePlace) -> None:
    async with opened(place) as one, opened(place) as two:
        await one.append(["a", "b", "c"])
        reader = await one.reader()
        await reader.commit((await read_all(reader, 3))[:2])
        assert texts(await read_all(await two.reader(), 1)) == ["c"]
