"""An import can be cut short, run again, and run once too often; what is damaged or does not fit is refused."""

import itertools
import shutil
from pathlib import Path

import msgspec
import pytest

from console.bars import TransferProgress
from console.transfer.importer import import_from
from console.transfer.manifest import MANIFEST, ExportFile, TransferError
from console.transfer.tables import Span
from rollcall.errors import SchemaError
from rollcall.warehouse import Warehouse

from .conftest import Exported, empty_warehouse
from .contents import everything

pytestmark = pytest.mark.anyio


class CutError(Exception):
    """The power went."""


class CutShort(TransferProgress):
    """Cuts an import short after some files."""

    def __init__(self, files: int) -> None:
        super().__init__({})
        self._left = files

    def add(self, table: str, rows: int, how: str) -> None:
        self._left -= 1
        if not self._left:
            raise CutError


@pytest.fixture
def harmed(exported: Exported, tmp_path: Path) -> Exported:
    return Exported(shutil.copytree(exported.folder, tmp_path / "export"), exported.held)


async def test_it_goes_on_where_it_stopped_and_again_changes_nothing(exported: Exported, tmp_path: Path) -> None:
    files = sum(len(parts) for parts in exported.manifest.tables.values())
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        with pytest.raises(CutError):
            await import_from(exported.folder, exported.manifest, warehouse, CutShort(4))
        second = await import_from(exported.folder, exported.manifest, warehouse, TransferProgress({}))
        assert (second.already_there, second.imported) == (4, files - 4)
        third = await import_from(exported.folder, exported.manifest, warehouse, TransferProgress({}))
        assert (third.already_there, third.imported) == (files, 0)
        assert await everything(warehouse) == exported.held
        assert await staging(warehouse) == []


async def staging(warehouse: Warehouse) -> list[object]:
    return list(await warehouse.query("SELECT name FROM system.tables WHERE name LIKE '%staging%'"))


async def refused(harmed: Exported, tmp_path: Path) -> str:
    async with empty_warehouse(f"chdb://{tmp_path}/warehouse") as warehouse:
        with pytest.raises((TransferError, SchemaError)) as error:
            await import_from(harmed.folder, harmed.manifest, warehouse, TransferProgress({}))
        assert await staging(warehouse) == []
    return str(error.value)


async def test_a_flipped_byte_is_noticed(harmed: Exported, tmp_path: Path) -> None:
    file = harmed.folder / harmed.manifest.tables["activity"][2].file
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert f"{file}: is not as it was exported" in await refused(harmed, tmp_path)


async def test_a_lost_file_is_noticed(harmed: Exported, tmp_path: Path) -> None:
    file = harmed.folder / harmed.manifest.tables["directory_users"][0].file
    file.unlink()
    assert f"{file}: cannot be read" in await refused(harmed, tmp_path)


async def test_rows_that_arrive_otherwise_are_noticed(harmed: Exported, tmp_path: Path) -> None:
    """A file in place of another with the checksum to match: only the rows themselves tell."""
    parts = harmed.manifest.tables["activity"]
    one, other = parts[0], parts[1]
    swapped = ExportFile(file=other.file, span=one.span, rows=other.rows, digest=one.digest, sha256=other.sha256)
    changed = msgspec.structs.replace(harmed.manifest, tables={**harmed.manifest.tables, "activity": [swapped]})
    (harmed.folder / MANIFEST).write_bytes(msgspec.json.encode(changed))
    assert "did not arrive as they were exported" in await refused(harmed, tmp_path)


async def test_an_export_of_other_tables_is_refused(harmed: Exported, tmp_path: Path) -> None:
    schema = {**harmed.manifest.schema, "9999": "0123456789abcdef"}
    changed = msgspec.structs.replace(harmed.manifest, schema=schema, made_by="99.0.0")
    (harmed.folder / MANIFEST).write_bytes(msgspec.json.encode(changed))
    assert "Rollcall 99.0.0 (migration 9999)" in await refused(harmed, tmp_path)


def test_files_follow_one_another(exported: Exported) -> None:
    for parts in exported.manifest.tables.values():
        spans = [part.span for part in parts]
        assert all(before.upto == after.after for before, after in itertools.pairwise(spans))
        if spans:
            assert spans[0].after is None
    assert Span() == Span(None, None)
