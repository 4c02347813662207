"""Backups beside what else happens: records that leave the log, kills, other backups, engines that refuse."""

import asyncio
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from console.backup import copier
from console.backup.folder import BackupError
from console.bars import Steps
from console.control import control_routes
from consumers.supervisor import drain
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import Record
from rollcall.records import encode
from rollcall.runtime import opened, opened_with_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.embedded_backup import WarehouseBackup, back_up
from rollcall.warehouse.engines import Embedded

from ..endtoend.installation import PATIENCE, rollcall
from .conftest import Made, Place, place, some_facts


async def retain(settings: Settings) -> None:
    async with opened(settings, "a test") as runtime:
        await runtime.log.retain()


def test_what_is_consumed_while_tables_are_copied_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No table has it or has it not, as chance will, but the log has it, beyond the positions that were copied first.

    The same again with the restored warehouse beside a log that lived on: nothing of the log is taken to be in it.
    """
    one = place(tmp_path / "installation")
    one.post(range(1, 11))
    one.consume()
    query = Warehouse.query

    async def main() -> None:
        copies = 0

        async def and_before(self: Warehouse, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
            nonlocal copies
            copies += sql.startswith("BACKUP")
            if sql.startswith("BACKUP") and copies == 2:
                await runtime.log.append(
                    runtime.topics.activity.name, [Record(encode(one)) for one in some_facts(range(11, 21))]
                )
                await drain(runtime)
            return await query(self, sql, parameters)

        async with opened_with_warehouse(one.settings, "a test") as runtime:
            monkeypatch.setattr(Warehouse, "query", and_before)
            monkeypatch.setattr(copier, "_back_up_warehouse", lambda *_: back_up(runtime.warehouse))
            await copier.back_up_to(tmp_path / "backup", one.settings, Steps())

    asyncio.run(main())
    monkeypatch.undo()
    other = place(tmp_path / "other")
    other.restore(tmp_path / "backup")
    other.consume()
    assert other.facts() == list(range(1, 21))
    other.post(range(21, 31))
    other.consume()
    other.restore(tmp_path / "backup", replace=True, warehouse_only=True)
    other.consume()
    assert other.facts() == list(range(1, 31))


def test_records_that_leave_the_log_meanwhile_are_in_the_warehouse_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consumed after the warehouse was copied and removed before the log was, they would be in neither."""
    one = place(tmp_path / "installation", "retention.max_bytes = 1")
    one.post(range(1, 11))
    one.consume()
    back_up, copies = copier._back_up_warehouse, 0

    async def and_then(settings: Settings, address: Embedded) -> WarehouseBackup:
        nonlocal copies
        made = await back_up(settings, address)
        copies += 1
        if copies == 1:
            await asyncio.to_thread(one.post, range(11, 21))
            await asyncio.to_thread(one.consume)
            await retain(settings)
        return made

    monkeypatch.setattr(copier, "_back_up_warehouse", and_then)
    one.back_up(tmp_path / "backup")
    assert copies == 2
    other = place(tmp_path / "other")
    other.restore(tmp_path / "backup")
    other.consume()
    assert other.facts() == list(range(1, 21))


def test_killed_it_leaves_nothing_under_the_name(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    command = rollcall("backup", str(folder), "--config", str(made.place.config))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as backup:
        deadline = time.monotonic() + PATIENCE
        while not (folder.with_name("backup.partial") / "events.db").exists():
            assert time.monotonic() < deadline
            assert backup.poll() is None
            time.sleep(0.001)
        backup.kill()
    assert not folder.exists()
    refused = made.place.run("restore", str(folder.with_name("backup.partial")), "--replace")
    assert refused.exit_code == 1
    assert "no whole backup is here" in refused.stderr
    made.place.back_up(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_it_leaves_nothing_at_all(number: signal.Signals, made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    command = rollcall("backup", str(folder), "--config", str(made.place.config))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as backup:
        assert backup.stderr
        while "by its engine" not in backup.stderr.readline():
            assert backup.poll() is None
        backup.send_signal(number)
        assert "interrupted" in backup.stderr.read()
    assert backup.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert not (made.place.folder / "warehouse" / "backups").exists()


def test_one_at_a_time(made: Made, tmp_path: Path) -> None:
    (tmp_path / "backup.partial").mkdir()
    hold = os.open(tmp_path / "backup.partial", os.O_RDONLY)
    fcntl.flock(hold, fcntl.LOCK_EX)
    try:
        with pytest.raises(BackupError, match="another backup into this folder"):
            made.place.back_up(tmp_path / "backup")
    finally:
        os.close(hold)
    lock = os.open(made.place.folder / "warehouse.backup.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(BackupError, match="is under way; wait for it"):
            made.place.back_up(tmp_path / "backup")
    finally:
        os.close(lock)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_only_who_knows_the_token_has_the_engine_back_up() -> None:
    asked = 0

    async def back_up() -> WarehouseBackup:
        nonlocal asked
        asked += 1
        raise WarehouseUnavailableError("the disk is full")

    async def other(*_: object) -> Any:
        pytest.fail("it must not be asked")

    app = Starlette(routes=control_routes("the-token", other, other, other, back_up))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine") as client:
        for headers in ({}, {"authorization": "Bearer the-other"}):
            assert (await client.post("/rollcall/backup", headers=headers, content=b"{}")).status_code == 401
        assert asked == 0
        answer = await client.post("/rollcall/backup", headers={"authorization": "Bearer the-token"}, content=b"{}")
    assert (answer.status_code, answer.text) == (503, "the disk is full\n")


def test_what_the_engine_cannot_back_up_leaves_nothing(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Warehouse.query

    async def failing(self: Warehouse, sql: str, parameters: object = None) -> object:
        if sql.startswith("BACKUP DATABASE"):
            raise WarehouseUnavailableError("no room")
        return await query(self, sql)

    monkeypatch.setattr(Warehouse, "query", failing)
    with pytest.raises(WarehouseUnavailableError, match="no room"):
        made.place.back_up(tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
    assert not (made.place.folder / "warehouse" / "backups").exists()


def test_without_a_warehouse_or_a_log_here_the_other_is_backed_up(made: Made, tmp_path: Path) -> None:
    """Of a log on this machine beside a ClickHouse server."""
    one = Place(tmp_path / "beside")
    one.folder.mkdir()
    text = made.place.config.read_text().replace(f"chdb://{made.place.folder}", "clickhouse://user@localhost")
    one.config.write_text(text)
    done = one.run("backup", str(tmp_path / "backup"))
    assert done.exit_code == 0, done.output
    assert "not in it: the warehouse is a ClickHouse server" in done.stderr
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == ["backup.json", "events.db", "reconcile"]
