"""From a `log_url` to a file: paths, modes, and refusals that say what to do."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.errors import LogUnavailableError, SettingsError
from rollcall.eventlog import Record, Topic, open_log
from rollcall.eventlog.sqlite.database import VERSION

from .contract import scanned
from .sqlite_place import FACTS, SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def create(url: str) -> None:
    log = await open_log(url, [FACTS])
    await log.close()


@pytest.mark.parametrize("slashes", ["/", "///", "////"])
async def test_an_absolute_path(tmp_path: Path, slashes: str) -> None:
    await create(f"sqlite:{slashes}{str(tmp_path)[1:]}/a b%20/events.db")
    assert (tmp_path / "a b%20" / "events.db").is_file()


async def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await create("sqlite:sub/events.db")
    assert (tmp_path / "sub" / "events.db").is_file()


async def test_nobody_else_can_read_what_is_created(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = await open_log(f"sqlite://{tmp_path}/one/two/events.db", [FACTS])
        await log.append(FACTS.name, [Record(b"x")])
    finally:
        os.umask(before)
    try:
        folder = tmp_path / "one" / "two"
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["events.db", "events.db-lock", "events.db-queue", "events.db-shm", "events.db-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://:secret@host/0", "no kind of event log"),
        ("/var/rollcall/events.db", "no kind of event log"),
        ("sqlite://events.db", "three slashes"),
        ("sqlite:", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///var/rollcall/", "names no file"),
        ("sqlite:events.db?mode=ro", "no options"),
    ],
)
async def test_a_url_that_cannot_be_used(url: str, text: str) -> None:
    with pytest.raises(SettingsError, match="log_url") as refusal:
        await open_log(url, [FACTS])
    assert text in str(refusal.value)
    assert "sqlite:" in str(refusal.value)
    assert "secret" not in str(refusal.value)


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"log_url: cannot create .*Point log_url at a folder"):
        await create(f"sqlite://{tmp_path}/file/sub/events.db")


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"log_url: .* is no file"):
        await create(f"sqlite://{tmp_path}")


async def test_a_file_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Patched, because tests may run as root, who may write everything.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingsError, match=r"log_url: .* must be readable and writable"):
        await create(f"sqlite://{tmp_path}/events.db")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("dear diary, " * 1000)
    with pytest.raises(SettingsError, match=r"log_url: .* is no SQLite database"):
        await create(f"sqlite://{path}")
    assert path.read_text().startswith("dear diary")


async def test_the_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(SettingsError, match=r"log_url: .* belongs to another program"):
        await create(f"sqlite://{path}")


async def test_a_log_of_a_newer_version(place: SqlitePlace) -> None:
    await create(f"sqlite://{place.path}")
    with closing(sqlite3.connect(place.path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(SettingsError, match=r"log_url: .* newer Rollcall"):
        await create(f"sqlite://{place.path}")


async def test_a_log_of_the_first_version_is_brought_up_to_date(place: SqlitePlace) -> None:
    log = await place.open()
    await log.append(FACTS.name, [Record(b"one"), Record(b"two")])
    reader = await log.reader(FACTS.name, "group")
    await reader.commit([(await reader.read(1, 1.0))[0]])
    await log.close()
    with closing(sqlite3.connect(place.path)) as db:
        db.execute("ALTER TABLE positions DROP COLUMN metadata")
        db.execute("ALTER TABLE positions DROP COLUMN epoch")
        db.execute("PRAGMA user_version = 1")
    for _ in range(2):
        log = await place.open()
        [position] = (await log.reader(FACTS.name, "group")).unaccepted()
        assert (position.offset, position.metadata) == (2, "")
        await log.close()


async def test_a_lock_file_in_the_way(place: SqlitePlace) -> None:
    place.path.parent.mkdir()
    place.path.with_name("events.db-queue").mkdir()
    with pytest.raises(LogUnavailableError, match="IsADirectoryError"):
        await place.open()


async def test_names_of_topics_are_data(tmp_path: Path) -> None:
    names = ['"; DROP TABLE topics; --', "Facts", "facts", "näme", "a.b-c_d", "x\0y", "topic_1", "{table}", ""]
    topics = [Topic(name, kept_for_ms=0) for name in names]
    for _ in range(2):
        log = await open_log(f"sqlite://{tmp_path}/events.db", topics)
        try:
            for name in names:
                await log.append(name, [Record(name.encode())])
                reader = await log.reader(name, name)
                assert [entry.value for entry in await reader.read(1, 0)] == [name.encode()]
        finally:
            await log.close()
    log = await open_log(f"sqlite://{tmp_path}/events.db", topics)
    try:
        for name in names:
            assert await scanned(log, name) == [name, name]
    finally:
        await log.close()


async def test_settings_of_the_file_and_the_connection(place: SqlitePlace) -> None:
    names = ("synchronous", "journal_mode", "fullfsync", "auto_vacuum")
    log = await place.open()
    try:
        found = await log._writer.do(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
        assert found == [2, "wal", 1, 2]
    finally:
        await log.close()
