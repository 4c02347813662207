"""``python -m tools.schema FILE``: write the tables that the migrations make in a scratch warehouse."""

import asyncio
import sys
import tempfile
from pathlib import Path

from rollcall.warehouse.client import open_warehouse
from rollcall.warehouse.expected_schema import Shape, actual_shapes, written
from rollcall.warehouse.migrations import migrate


async def migrated_shapes() -> dict[str, Shape]:
    """Return the shapes that the embedded engine has after all migrations."""
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = await open_warehouse(f"chdb://{scratch}/warehouse", "make schema")
        try:
            await migrate(warehouse)
            return await actual_shapes(warehouse)
        finally:
            await warehouse.close()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(written(asyncio.run(migrated_shapes())))
