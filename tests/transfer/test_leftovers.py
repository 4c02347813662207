"""Staging tables of imports that were killed go away with the next import, and that of one that runs does not."""

import os
import time
from pathlib import Path

import pytest

from console.bars import TransferProgress
from console.transfer.importer import import_from
from console.transfer.manifest import Manifest, this_schema
from rollcall.warehouse import Warehouse

from ..warehouse.remaking import migrated_into
from .conftest import empty_warehouse

pytestmark = pytest.mark.anyio
EMPTY = Manifest(made_by="", made_at="", schema=this_schema(), user_days=0, tables={})


async def left_behind(warehouse: Warehouse, name: str) -> None:
    await warehouse.command(f"CREATE TABLE {name} AS activity ENGINE = MergeTree ORDER BY tuple()")


async def staging(warehouse: Warehouse) -> list[str]:
    rows = await warehouse.query("SELECT name FROM system.tables WHERE database = currentDatabase()")
    return [row["name"] for row in rows if row["name"].startswith("import_staging_")]


async def test_an_hour_tells_one_left_behind_from_one_that_runs(tmp_path: Path) -> None:
    """Nothing else may be dropped, whatever its age."""
    async with migrated_into(tmp_path, "rollcall") as warehouse:
        for name in ("import_staging_old", "import_staging_young", "other_old"):
            await left_behind(warehouse, name)
        for definition in (tmp_path / "warehouse").rglob("*_old.sql"):
            os.utime(definition, (time.time() - 3700,) * 2)
        for definition in (tmp_path / "warehouse").rglob("*_young.sql"):
            os.utime(definition, (time.time() - 3500,) * 2)
        await import_from(tmp_path, EMPTY, warehouse, TransferProgress({}))
        assert await staging(warehouse) == ["import_staging_young"]
        assert await warehouse.query("SELECT 1 FROM system.tables WHERE name = 'other_old'")


async def test_in_embedded_files_all_are_left_behind(tmp_path: Path) -> None:
    """An import has them for itself; and their engine tells no time."""
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        await left_behind(warehouse, "import_staging_of_a_minute_ago")
        await import_from(tmp_path, EMPTY, warehouse, TransferProgress({}))
        assert await staging(warehouse) == []
