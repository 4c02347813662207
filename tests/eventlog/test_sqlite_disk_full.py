"""A full disk, made real in three ways: refused while it lasts, nothing acknowledged lost, usable afterwards."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.sqlite import SqliteLog

from .contract import Opened, opened, read_all, scanned, texts
from .processes import child, lines
from .sqlite_place import SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounting.returncode:
        pytest.skip("cannot mount a tmpfs here; the file size limit and the page limit stand in for a full disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def fill(log: Opened, name: str) -> list[str]:
    """Append until refused again and again; return what was acknowledged."""
    acknowledged: list[str] = []
    refused = 0
    for number in range(100_000):
        try:
            await log.append([f"{name}.{number}".ljust(1000)])
        except LogUnavailableError as error:
            assert "disk is full" in str(error)  # noqa: PT017 - the loop goes on
            refused += 1
            if refused == 3:
                break
        else:
            acknowledged.append(f"{name}.{number}")
            refused = 0
    assert acknowledged
    assert refused == 3
    return acknowledged


async def kept(log: Opened) -> list[str]:
    return [text.strip() for text in await scanned(log.log, log.topic)]


async def test_a_full_tmpfs(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    place = SqlitePlace(disk / "events.db")
    with small_disk(disk):
        async with opened(place) as log:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(1024 * 1024))
            reader = await log.reader()
            acknowledged = await fill(log, "before")
            for _ in range(3):
                with pytest.raises(LogUnavailableError):
                    await log.log.check()
                with pytest.raises(LogUnavailableError):
                    await log.append(["x" * 100_000])
            # A full disk does not stop the reading.
            read = await read_all(reader, len(acknowledged))
            assert [text.strip() for text in texts(read)] == acknowledged

            ballast.unlink()
            await log.log.check()
            acknowledged += await fill(log, "after")
            assert await kept(log) == acknowledged
        async with opened(place) as log:
            assert await kept(log) == acknowledged


async def test_a_log_on_a_full_tmpfs_opens_when_there_is_space(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    place = SqlitePlace(disk / "deep" / "events.db")
    with small_disk(disk):
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(bytes(4 * 1024 * 1024))
        with pytest.raises(LogUnavailableError, match="disk is full"):
            await place.open()
        ballast.unlink()
        async with opened(place) as log:
            await log.append(["x"])


async def test_a_limit_on_file_sizes(place: SqlitePlace) -> None:
    acknowledged, others = [], []
    with child("limited", place.path, 400_000) as process:
        for what, *words in lines(process):
            if what == "appended":
                acknowledged += words
            else:
                others.append(what)
        assert process.wait() == 0
    assert others == ["refused", "unhealthy"]
    assert acknowledged[-1] == "after.19"
    assert "before.10" in acknowledged
    async with opened(place) as log:
        assert await kept(log) == acknowledged


async def test_a_limit_on_pages(place: SqlitePlace) -> None:
    async with opened(place) as log:
        assert isinstance(log.log, SqliteLog)
        await set_page_limit(log.log, 60)
        acknowledged = await fill(log, "before")
        await set_page_limit(log.log, 10_000)
        await log.append(["after"])
        assert await kept(log) == [*acknowledged, "after"]


async def set_page_limit(log: SqliteLog, pages: int) -> None:
    await log._writer.do(partial(_set_page_limit, pages), alone=True)


def _set_page_limit(pages: int, db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA max_page_count = {pages}")
