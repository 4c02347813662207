"""What was in the warehouse is in the other one: facts, versions, sources, directory, and every view of them."""

from pathlib import Path

import pytest

from console.bars import TransferProgress
from console.transfer.exporter import export_to
from console.transfer.importer import import_from
from console.transfer.manifest import read_manifest
from rollcall.settings import WarehouseSettings
from rollcall.warehouse.migrations import create_database

from ..facts import fact, fresh_warehouse, write
from ..warehouse.servers import Chosen
from .conftest import Exported, empty_warehouse
from .contents import everything, fill

pytestmark = pytest.mark.anyio


async def test_embedded_to_embedded(exported: Exported, tmp_path: Path) -> None:
    assert len(exported.manifest.tables["activity"]) > 3
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        done = await import_from(exported.folder, exported.manifest, warehouse, TransferProgress({}))
        assert await everything(warehouse) == exported.held
    assert (done.already_there, done.mixed) == (0, 0)
    assert done.user_days == exported.manifest.user_days == len(exported.held["user_days"])


async def test_embedded_to_server_and_back(exported: Exported, clickhouse: Chosen, tmp_path: Path) -> None:
    await create_database(clickhouse.url, WarehouseSettings())
    async with empty_warehouse(clickhouse.url) as served:
        await import_from(exported.folder, exported.manifest, served, TransferProgress({}))
        assert await everything(served) == exported.held
        await export_to(tmp_path / "back", served, 90, TransferProgress({}))
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        await import_from(tmp_path / "back", read_manifest(tmp_path / "back"), warehouse, TransferProgress({}))
        assert await everything(warehouse) == exported.held


@pytest.mark.parametrize(("seed", "rows"), [(2, 9)])
async def test_whatever_is_in_it(seed: int, rows: int, tmp_path: Path) -> None:
    async with fresh_warehouse(tmp_path / "one") as source:
        await fill(source, seed, count=25)
        await export_to(tmp_path / "export", source, rows, TransferProgress({}))
        held = await everything(source)
    async with empty_warehouse(f"chdb://{tmp_path}/two/warehouse") as target:
        await import_from(tmp_path / "export", read_manifest(tmp_path / "export"), target, TransferProgress({}))
        assert await everything(target) == held


async def test_an_empty_warehouse_can_be_moved(tmp_path: Path) -> None:
    async with empty_warehouse(f"chdb://{tmp_path}/one/warehouse") as source:
        manifest = await export_to(tmp_path / "export", source, 10, TransferProgress({}))
    assert manifest.rows("activity") == 0
    async with empty_warehouse(f"chdb://{tmp_path}/two/warehouse") as target:
        await import_from(tmp_path / "export", manifest, target, TransferProgress({}))
        assert await target.query("SELECT * FROM activity") == []


async def test_into_a_warehouse_that_has_newer_facts(exported: Exported, tmp_path: Path) -> None:
    """Consumers may have begun on the new engine before the import: both are kept, and one act stays one."""
    [brought] = exported.manifest.tables["activity"][:1]
    async with fresh_warehouse(tmp_path) as warehouse:
        await write(warehouse, fact("comment:new:created", "2026-11-20T10:00:00", account_id="newcomer"))
        done = await import_from(exported.folder, exported.manifest, warehouse, TransferProgress({}))
        rows = await warehouse.query("SELECT account_id FROM activity FINAL")
        days = await warehouse.query("SELECT 1 FROM user_days WHERE account_id = 'newcomer'")
    assert brought.rows > 0
    assert (len(rows), len(days)) == (len(exported.held["activity"]) + 1, 1)
    assert done.mixed >= 1
