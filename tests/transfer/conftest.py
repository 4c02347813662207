"""A filled warehouse, exported once; tests copy the export when they harm it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.bars import TransferProgress
from console.transfer.exporter import export_to
from console.transfer.manifest import Manifest, read_manifest
from rollcall.warehouse import Warehouse, migrate, open_warehouse

from ..facts import fresh_warehouse
from ..warehouse.servers import Chosen, server
from .contents import everything, fill


@dataclass(frozen=True)
class Exported:
    """An export, and what was in the warehouse that it is of."""

    folder: Path
    held: dict[str, set[str]]

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    base = tmp_path_factory.mktemp("exported")

    async def main() -> dict[str, set[str]]:
        async with fresh_warehouse(base) as warehouse:
            await fill(warehouse, seed=1)
            await export_to(base / "export", warehouse, 20, TransferProgress({}))
            return await everything(warehouse)

    return Exported(base / "export", asyncio.run(main()))


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chosen]:
    with server(tmp_path_factory.mktemp("clickhouse") / "data") as chosen:
        yield chosen


@asynccontextmanager
async def empty_warehouse(url: str) -> AsyncIterator[Warehouse]:
    """A warehouse that has its tables and nothing in them."""
    warehouse = await open_warehouse(url, "a test")
    try:
        await migrate(warehouse)
        yield warehouse
    finally:
        await warehouse.close()
