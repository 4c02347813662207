"""The same warehouse over HTTP: migrations, inserts, rebuilds and queries, on the server that the header names."""

from datetime import date
from pathlib import Path

import pytest

from rollcall.errors import SettingsError
from rollcall.warehouse import RefusedRowsError, Warehouse, migrate, open_warehouse, rebuild_days
from rollcall.warehouse.schema_check import drift, verify_insert_settings

from ..facts import fact, ms, write
from ..sqldoor.house import open_house
from .engines import on_the_server
from .servers import stand_in

pytestmark = pytest.mark.anyio


@on_the_server
async def test_migrated_once_and_as_expected(warehouse: Warehouse) -> None:
    assert await migrate(warehouse) == []
    assert await drift(warehouse) == []


@on_the_server
async def test_facts_become_user_days_and_a_rebuild_mends_them(warehouse: Warehouse) -> None:
    await verify_insert_settings(warehouse)
    midnight = ms("2026-11-01T23:00:00")
    await write(warehouse, fact("history:1", midnight - 3), fact("history:1", midnight + 2, source="reconcile"))
    assert len(await warehouse.query("SELECT * FROM user_days WHERE account_id = 'anna'")) == 2
    await rebuild_days(warehouse, "acme", "Europe/Berlin", [date(2026, 11, 1)])
    [row] = await warehouse.query("SELECT day, first_at FROM user_days WHERE account_id = 'anna'")
    assert (row["day"].isoformat(), row["first_at"].microsecond) == ("2026-11-02", 2000)


@on_the_server
async def test_text_travels_whole(warehouse: Warehouse) -> None:
    odd = "comment:\t'\\\n\"{x:String}ü☃:created"
    await write(warehouse, fact(odd, "2026-11-02T10:00:00", site="odd"))
    [row] = await warehouse.query("SELECT event_key FROM activity WHERE event_key = {key:String}", {"key": odd})
    assert row["event_key"] == odd


@on_the_server
async def test_a_bad_row_is_told_from_a_server_that_is_away(warehouse: Warehouse) -> None:
    with pytest.raises(RefusedRowsError):
        await warehouse.insert_lines("activity_in", [b'{"site": "acme", "occurred_at": "never"}'])


@pytest.mark.parametrize("name", ["async_insert", "insert_deduplicate", "max_partitions_per_insert_block"])
async def test_a_profile_that_holds_an_insert_setting_is_named(name: str, tmp_path: Path) -> None:
    with stand_in(tmp_path / "data", **{name: "1"}) as server:
        warehouse = await open_warehouse(server.url, "a test")
        with pytest.raises(SettingsError, match=f"{name} must be 0"):
            await verify_insert_settings(warehouse)
        await warehouse.close()


def test_the_sql_door_read_as_a_server(tmp_path: Path) -> None:
    """Reads work through clickhouse-connect's HTTP client; writing is refused, naming what forbids it."""
    with open_house(tmp_path) as house, house.door() as door:
        url = f"clickhouse://127.0.0.1:{door.port}/default"
        reader = house.run(open_warehouse(url, "a test", write=False))
        writer = house.run(open_warehouse(url, "a test"))
        try:
            rows = house.run(reader.query("SELECT count() AS n FROM activity FINAL"))
            assert rows == house.run(house.warehouse.query("SELECT count() AS n FROM activity FINAL"))
            hidden = {
                "activity_in",
                "forgotten_accounts",
                "activity_in_to_activity",
                "activity_in_to_sources",
                "activity_in_to_account_month_states",
                "activity_in_to_account_types",
                "activity_in_to_issue_projects",
                "activity_in_to_project_day_states",
                "activity_in_to_touched_days",
            }
            differences = house.run(drift(reader, unseen={*hidden, "activity_in_to_user_day_states"}))
            assert differences == []
            with pytest.raises(SettingsError, match="insert_deduplicate must be 0"):
                house.run(verify_insert_settings(writer))
        finally:
            house.run(reader.close())
            house.run(writer.close())
