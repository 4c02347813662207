"""Migrations are applied in order and once each, and one that was applied never changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rollcall.errors import SchemaError, WarehouseUnavailableError
from rollcall.warehouse import Warehouse, migrate, migrations, open_warehouse, require_current
from rollcall.warehouse.migrations import Migration, all_migrations, pending

pytestmark = pytest.mark.anyio

APPLIED = {"0001_tables_and_views": "5b415a806d6b1949"}
"""The checksum of each file that warehouses were made with. Another one here would lock all of them out."""

FIRST = Migration(
    1,
    "acts",
    """
-- A comment; it is left out.
CREATE TABLE acts {on_cluster} (n UInt8) ENGINE = {replicated}MergeTree ORDER BY n;

CREATE VIEW doubled {on_cluster} AS
-- So is this one.
SELECT n * 2 AS n FROM acts;
""",
)
SECOND = Migration(2, "doubled", "CREATE OR REPLACE VIEW doubled {on_cluster} AS SELECT n * 2 AS twice FROM acts;\n")
THIRD = Migration(3, "notes", "CREATE TABLE notes {on_cluster} (t String) ENGINE = {replicated}MergeTree ORDER BY t")


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Warehouse]:
    """A warehouse without a table."""
    opened = await open_warehouse(f"chdb://{tmp_path}/warehouse", "a test")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Migration]:
    """The migrations of this version of Rollcall, for a test to choose."""
    chosen = [FIRST, SECOND]
    monkeypatch.setattr(migrations, "all_migrations", lambda: chosen)
    return chosen


async def tables(warehouse: Warehouse) -> set[str]:
    rows = await warehouse.query("SELECT name FROM system.tables WHERE database = currentDatabase()")
    return {row["name"] for row in rows} - {"schema_migrations", "warehouse_identity"}


def test_files_that_were_applied_somewhere_never_change() -> None:
    files = {f"{one.version:04}_{one.name}": one.checksum for one in all_migrations()}
    assert APPLIED.items() <= files.items(), "write a new file instead"
    assert sorted(int(name[:4]) for name in files) == list(range(1, len(files) + 1))


async def test_they_are_applied_in_order_and_once(bare: Warehouse, known: list[Migration]) -> None:
    assert await migrate(bare) == [FIRST, SECOND]
    await bare.command("INSERT INTO acts VALUES (21)")
    assert await bare.query("SELECT * FROM doubled") == [{"twice": 42}]
    assert await migrate(bare) == []
    rows = await bare.query("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
    assert rows == [{"version": one.version, "name": one.name, "checksum": one.checksum} for one in (FIRST, SECOND)]


async def test_a_newer_version_applies_only_what_is_new(bare: Warehouse, known: list[Migration]) -> None:
    await migrate(bare)
    await bare.command("INSERT INTO acts VALUES (21)")
    known.append(THIRD)
    with pytest.raises(SchemaError, match=r"lacks 1 migration\(s\), first 0003; run rollcall migrate"):
        await require_current(bare)
    assert await migrate(bare) == [THIRD]
    await require_current(bare)
    assert await tables(bare) == {"acts", "doubled", "notes"}
    assert await bare.query("SELECT n FROM acts") == [{"n": 21}]


async def test_one_that_was_cut_short_goes_on(bare: Warehouse, known: list[Migration]) -> None:
    known[:] = [Migration(1, "acts", FIRST.sql + ";\nCREATE TABLE more (n Int64) ENGINE = Nothing;\n")]
    with pytest.raises(WarehouseUnavailableError, match="Nothing"):
        await migrate(bare)
    await bare.command("INSERT INTO acts VALUES (21)")
    known[:] = [FIRST]
    assert await migrate(bare) == [FIRST]
    assert await bare.query("SELECT n FROM acts") == [{"n": 21}]


async def test_an_applied_file_that_was_changed_is_refused(bare: Warehouse, known: list[Migration]) -> None:
    await migrate(bare)
    known[:] = [FIRST, Migration(2, SECOND.name, SECOND.sql + "\n")]
    for asking in (pending, migrate, require_current):
        with pytest.raises(SchemaError, match="migration 0002 was changed after it was applied"):
            await asking(bare)


async def test_a_warehouse_of_a_newer_version_is_refused(bare: Warehouse, known: list[Migration]) -> None:
    await migrate(bare)
    known.remove(SECOND)
    for asking in (pending, migrate, require_current):
        with pytest.raises(SchemaError, match="has migration 0002, unknown to this Rollcall; run a newer one"):
            await asking(bare)
