"""The copy of a log that others write to: of one moment, whole, and never begun anew."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import database
from rollcall.eventlog.sqlite.database import copy_database, extents

from .sqlite_place import SqlitePlace

pytestmark = pytest.mark.anyio


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "COPIED_PAGES", 4)


@pytest.mark.usefixtures("small_steps")
async def test_it_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "events.db")
    log = await place.open()
    await log.append("facts", [Record(bytes(1000)) for _ in range(100)])
    steps = 0

    def write(done: int, pages: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 200, "each write of others begins it anew"
        with closing(sqlite3.connect(place.path)) as other, other:
            table = "topic_1"
            other.execute(f"INSERT INTO {table} (appended_at, value) VALUES (1, x'00')")
            other.execute("UPDATE topics SET records = records + 1 WHERE id = 1")

    copy_database(place.path, tmp_path / "copy.db", 5.0, write)
    assert steps > 5
    assert extents(tmp_path / "copy.db", 5.0)["facts"].records == 100
    assert extents(place.path, 5.0)["facts"].records == 100 + steps
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]
    await log.close()
    opened = await SqlitePlace(tmp_path / "copy.db").open()
    assert len([entry async for entry in opened.scan("facts")]) == 100
    await opened.close()


async def test_a_damaged_log_is_told_and_not_backed_up(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "events.db")
    log = await place.open()
    await log.append("facts", [Record(bytes(1000)) for _ in range(100)])
    await log.close()
    with place.path.open("r+b") as file:
        file.seek(10 * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(sqlite3.DatabaseError):
        copy_database(place.path, tmp_path / "copy.db", 5.0, lambda *_: None)


async def test_what_retention_removed_is_known(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "events.db")
    log = await place.open()
    await log.append("facts", [Record(b"two") for _ in range(10)])
    reader = await log.reader("facts", "group")
    entries = await reader.read(10, 0.0)
    await reader.commit(entries[:7])
    await log.close()
    log = await place.bounded(kept_bytes=1).open()
    await log.retain()
    found = extents(place.path, 5.0)["facts"]
    assert (found.records, found.first, found.positions["group"].next) == (3, 8, 8)
    reader = await log.reader("facts", "group")
    await reader.commit(await reader.read(10, 0.0))
    await log.retain()
    await log.close()
    found = extents(place.path, 5.0)["facts"]
    assert (found.records, found.first) == (0, 11)
