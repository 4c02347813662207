"""Group commit, its bounds, and the ways in which it can fail."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import SqliteLog
from rollcall.eventlog.sqlite.connection import Limits, WriteConnection, WriteLock

from .contract import Opened, opened, scanned
from .sqlite_place import SqlitePlace

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Gate:
    """Work that holds the writer up until opened."""

    def __init__(self, log: Opened) -> None:
        assert isinstance(log.log, SqliteLog)
        self.writer = log.log._writer
        self._open = threading.Event()
        self._reached = threading.Event()
        self._held = asyncio.create_task(self.writer.do(self._wait))

    def _wait(self, db: sqlite3.Connection) -> None:
        self._reached.set()
        assert self._open.wait(30)

    async def reached(self) -> None:
        await asyncio.to_thread(self._reached.wait, 30)

    async def open(self) -> None:
        self._open.set()
        await self._held


def count_commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the transactions of the log's writer from now on."""
    commits: list[int] = []
    watch: Callable[[WriteConnection, sqlite3.Connection], None] = WriteConnection._watch_wal

    def counted(store: WriteConnection, db: sqlite3.Connection) -> None:
        commits.append(1)
        watch(store, db)

    monkeypatch.setattr(WriteConnection, "_watch_wal", counted)
    return commits


async def test_appends_that_wait_together_share_a_commit(place: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(place) as log:
        gate = Gate(log)
        await gate.reached()
        appends = [asyncio.create_task(log.append([str(n)])) for n in range(64)]
        await asyncio.sleep(0)
        commits = count_commits(monkeypatch)
        await gate.open()
        await asyncio.gather(*appends)
        assert len(commits) == 2  # the gate's own, and one for all
        assert await scanned(log.log, log.topic) == [str(n) for n in range(64)]


@pytest.mark.parametrize("limits", [Limits(transaction_works=10), Limits(transaction_bytes=10 * (256 + 100))])
async def test_a_transaction_is_bounded(place: SqlitePlace, monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    place.limits = limits
    async with opened(place) as log:
        gate = Gate(log)
        await gate.reached()
        appends = [asyncio.create_task(log.append(["x" * 100])) for _ in range(40)]
        await asyncio.sleep(0)
        commits = count_commits(monkeypatch)
        await gate.open()
        await asyncio.gather(*appends)
        assert len(commits) == 1 + 4


async def test_memory_is_bounded_and_said_at_once(place: SqlitePlace) -> None:
    place.limits = Limits(pending_bytes=10_000)
    async with opened(place) as log:
        gate = Gate(log)
        await gate.reached()
        held = asyncio.create_task(log.append(["x" * 8000]))
        await asyncio.sleep(0)
        with pytest.raises(LogUnavailableError, match="does not keep up"):
            await log.append(["y" * 8000])
        await gate.open()
        await held
        await log.append(["z" * 50_000])  # larger than the bound, but alone
        assert [len(text) for text in await scanned(log.log, log.topic)] == [8000, 50_000]


async def test_bad_work_fails_alone(place: SqlitePlace) -> None:
    def bad(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO topics (name) VALUES ('half done')")
        raise ZeroDivisionError

    def too_large(db: sqlite3.Connection) -> None:
        db.execute("SELECT zeroblob(2147483647)")

    async with opened(place) as log:
        gate = Gate(log)
        await gate.reached()
        works = [log.append(["a"]), gate.writer.do(bad), gate.writer.do(too_large), log.append(["b"])]
        outcomes = asyncio.gather(*works, return_exceptions=True)
        await asyncio.sleep(0)
        await gate.open()
        assert [type(outcome) for outcome in await outcomes] == [
            type(None),
            ZeroDivisionError,
            sqlite3.DataError,
            type(None),
        ]
        assert await scanned(log.log, log.topic) == ["a", "b"]
        assert not await gate.writer.do(lambda db: db.execute("SELECT 1 FROM topics WHERE name LIKE 'h%'").fetchall())


async def test_a_cancelled_append_disturbs_nobody(place: SqlitePlace) -> None:
    async with opened(place) as log:
        gate = Gate(log)
        await gate.reached()
        cancelled = asyncio.create_task(log.append(["cancelled"]))
        other = asyncio.create_task(log.append(["other"]))
        await asyncio.sleep(0)
        cancelled.cancel()
        await gate.open()
        await other
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert "other" in await scanned(log.log, log.topic)


async def test_locked_by_another_program(place: SqlitePlace) -> None:
    place.limits = Limits(busy_seconds=0.05)
    async with opened(place) as log:
        await log.append(["before"])
        reader = await log.reader()
        with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for refused in (log.append(["lost"]), log.log.check()):
                with pytest.raises(LogUnavailableError, match="locked"):
                    await refused
            entries = await reader.read(10, 0)
            with pytest.raises(LogUnavailableError, match="locked"):
                await reader.commit(entries)
            other.execute("ROLLBACK")
        await reader.commit(entries)
        await log.append(["after"])
        assert await scanned(log.log, log.topic) == ["before", "after"]


async def test_another_process_keeps_the_lock(place: SqlitePlace) -> None:
    place.limits = Limits(busy_seconds=0.05)
    async with opened(place) as log:
        lock = WriteLock(place.path, 1)
        with closing(lock), lock.held():
            with pytest.raises(LogUnavailableError, match="held by another process"):
                await log.append(["lost"])
            with pytest.raises(LogUnavailableError, match="held by another process"):
                await place.open()
        await log.append(["after"])
        assert await scanned(log.log, log.topic) == ["after"]


async def test_a_file_that_was_moved_takes_nothing(place: SqlitePlace, tmp_path: Path) -> None:
    async with opened(place) as log:
        await log.append(["before"])
        moved = place.path.rename(tmp_path / "moved.db")
        with pytest.raises(LogUnavailableError, match="moved, deleted or replaced"):
            await log.append(["lost"])
        place.path.touch()
        with pytest.raises(LogUnavailableError, match="moved, deleted or replaced"):
            await log.log.check()
        moved.rename(place.path)
        await log.append(["after"])
        assert await scanned(log.log, log.topic) == ["before", "after"]


async def test_a_damaged_file_is_said_to_be_damaged(place: SqlitePlace) -> None:
    async with opened(place) as log:
        await log.append(["x" * 100_000])
    content = bytearray(place.path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    place.path.write_bytes(content)
    with pytest.raises(LogUnavailableError, match="damaged"):
        async with opened(place) as log:
            await log.append(["y"])


async def test_the_loop_may_end_without_closing(place: SqlitePlace) -> None:
    """What a crash of the program's main function looks like to the writer's thread."""
    kept: list[SqliteLog] = []

    async def careless() -> None:
        log = await place.open()
        kept.append(log)
        gate = Gate(Opened(log, place.consumed.name))
        await gate.reached()
        gate._open.set()
        gate._held.cancel()

    await asyncio.to_thread(asyncio.run, careless())
    await kept[0].close()
    async with opened(place) as log:
        await log.log.append(log.topic, [Record(b"x")])


async def test_a_lock_closed_twice_closes_nobody_elses_file(tmp_path: Path) -> None:
    """A number that was closed is the next file's, such as another thread's."""
    lock = WriteLock(tmp_path / "events.db", 1)
    lock.close()
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(2)]
    lock.close()
    for other in others:
        os.close(other)
