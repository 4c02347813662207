"""Who opens the embedded files to read has the rights of readers, and none beyond them."""

from pathlib import Path

import pytest

from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import open_warehouse

from ..facts import fact, fresh_warehouse, write

pytestmark = pytest.mark.anyio


async def test_files_opened_to_read_are_read_with_the_role_of_readers(tmp_path: Path) -> None:
    async with fresh_warehouse(tmp_path) as warehouse:
        await write(warehouse, fact("comment:1:created", "2026-01-01T12:00:00", account_id="anna"))
    reading = await open_warehouse(f"chdb://{tmp_path}/warehouse", "rollcall report", write=False)
    try:
        assert await reading.query("SELECT count() AS facts FROM activity") == [{"facts": 1}]
        assert await reading.fetch("SELECT account_id FROM activity", "CSV") == b'"anna"\n'
        for statement in (
            "SELECT * FROM activity_in",
            "INSERT INTO sites SELECT * FROM sites",
            "DROP TABLE sites",
            "SET readonly = 0",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        ):
            with pytest.raises(WarehouseUnavailableError):
                await reading.command(statement)
    finally:
        await reading.close()
