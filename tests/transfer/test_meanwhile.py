"""What changes under a move is noticed: rows that come while they are read, and rows that go while they are brought."""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from console.bars import TransferProgress
from console.transfer import exporter
from console.transfer.exporter import export_to
from console.transfer.importer import import_from
from console.transfer.manifest import TransferError
from rollcall.warehouse import Row, Warehouse

from ..facts import fact, fresh_warehouse, write
from .conftest import Exported, empty_warehouse

pytestmark = pytest.mark.anyio
SEEN = fact("history:1", "2026-11-02T10:00:00", account_id="")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "_PAUSE", 0)


def while_read(monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse, happens: Callable[[], Awaitable[Any]]) -> None:
    """Have something happen each time facts are about to be read, after they were counted."""
    fetch = warehouse.fetch

    async def disturbed(sql: str, form: str, parameters: Any = None) -> bytes:
        if "FROM activity FINAL" in sql:
            await happens()
        return await fetch(sql, form, parameters)

    monkeypatch.setattr(warehouse, "fetch", disturbed)


async def facts_of(warehouse: Warehouse) -> list[Row]:
    return await warehouse.query("SELECT *, version FROM activity FINAL ORDER BY event_key")


@pytest.mark.parametrize(
    "late",
    [
        fact("history:2", "2026-11-02T11:00:00"),
        fact("history:1", "2026-11-02T10:00:00", account_id="anna", source="reconcile"),
    ],
    ids=["one more", "another word on the same"],
)
async def test_a_stretch_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: Any
) -> None:
    async with fresh_warehouse(tmp_path / "one") as source:
        await write(source, SEEN)
        while_read(monkeypatch, source, lambda: write(source, late))
        manifest = await export_to(tmp_path / "export", source, 10, TransferProgress({}))
        held = await facts_of(source)
    async with empty_warehouse(f"chdb://{tmp_path}/two/warehouse") as target:
        await import_from(tmp_path / "export", manifest, target, TransferProgress({}))
        assert await facts_of(target) == held


async def test_a_stretch_that_never_rests_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "_TRIES", 3)
    async with fresh_warehouse(tmp_path) as source:
        await write(source, SEEN)
        while_read(
            monkeypatch, source, lambda: write(source, fact(f"history:{secrets.token_hex(4)}", "2026-11-02T10:00:00"))
        )
        with pytest.raises(TransferError, match="activity: changes faster than it can be read"):
            await export_to(tmp_path / "export", source, 10, TransferProgress({}))
    assert list((tmp_path / "export").glob("manifest*")) == []
    assert list((tmp_path / "export").glob("activity-*")) == []


async def test_rows_that_do_not_stay_are_missed(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine took them, and a moment later one is gone: the import may not say that it is done."""
    file = exported.manifest.tables["activity"][0]
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        command = warehouse.command

        async def leaking(sql: str, parameters: Any = None) -> None:
            await command(sql, parameters)
            if sql.startswith("INSERT INTO activity ("):
                await command("DELETE FROM activity WHERE event_key = (SELECT min(event_key) FROM activity)")

        monkeypatch.setattr(warehouse, "command", leaking)
        with pytest.raises(TransferError, match=rf"{file.file}: 1 of its {file.rows} rows are not in activity"):
            await import_from(exported.folder, exported.manifest, warehouse, TransferProgress({}))
