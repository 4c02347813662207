"""The engines that a test can run on: the embedded one, and the server that the header names."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rollcall.settings import WarehouseSettings
from rollcall.warehouse import Warehouse, open_warehouse
from rollcall.warehouse.migrations import create_database

from ..facts import migrated
from .servers import Chosen, is_real, server

_EMBEDDED, _SERVER = "embedded", "server"

on_both_engines = pytest.mark.parametrize("warehouse_url", [_EMBEDDED, _SERVER], indirect=True)
"""Marks tests that use `warehouse` or `warehouse_url`; unmarked ones run on the embedded engine."""

on_a_real_server_too = pytest.mark.parametrize(
    "warehouse_url", [_EMBEDDED, pytest.param(_SERVER, marks=[] if is_real() else pytest.mark.soak)], indirect=True
)
"""As `on_both_engines`, for what hangs on the engine and not on how it is asked: a stand-in is the embedded engine once
more, and has its turn in `make soak`."""

on_the_server = pytest.mark.parametrize("warehouse_url", [_SERVER], indirect=True)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chosen]:
    with server(tmp_path_factory.mktemp("clickhouse") / "data") as chosen:
        yield chosen


@pytest.fixture
async def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A warehouse without a row; a server may have its tables already."""
    if getattr(request, "param", _EMBEDDED) == _EMBEDDED:
        return f"chdb://{tmp_path}/warehouse"
    chosen: Chosen = request.getfixturevalue("clickhouse")
    await clear(chosen.url)
    return chosen.url


@pytest.fixture
async def warehouse(warehouse_url: str) -> AsyncIterator[Warehouse]:
    async with migrated(warehouse_url) as opened:
        yield opened


async def clear(url: str) -> None:
    """Make the database of a server if it is not there; else take the rows out of its tables, which is quicker."""
    if await create_database(url, WarehouseSettings()):
        return
    warehouse = await open_warehouse(url, "a test")
    try:
        for table in await warehouse.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
            "AND name != 'schema_migrations' AND total_rows > 0"
        ):
            await warehouse.command(f"ALTER TABLE {table['name']} DROP PARTITION ALL")
    finally:
        await warehouse.close()
