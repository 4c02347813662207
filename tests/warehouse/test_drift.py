"""Tables that somebody altered are noticed, by name; what does no harm does not stop the consumers."""

from pathlib import Path

import pytest

from console.sqldoor.allowlist import INTERNAL_TABLES
from rollcall.errors import SchemaError
from rollcall.warehouse import Warehouse, open_warehouse
from rollcall.warehouse.expected_schema import actual_shapes, expected_shapes, written
from rollcall.warehouse.schema_check import drift, require_no_drift

from ..sqldoor.house import open_house
from .remaking import WAY_IN, migrated_into, remade

pytestmark = pytest.mark.anyio
STORED = Path(__file__).parents[2] / "rollcall" / "warehouse" / "schema" / "expected.json"


async def test_the_stored_shapes_are_what_the_migrations_make(warehouse: Warehouse) -> None:
    assert STORED.read_bytes() == written(await actual_shapes(warehouse)), "run `make schema`"
    assert await drift(warehouse) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE activity DROP COLUMN project_key", "activity.project_key is missing"),
        (
            "ALTER TABLE activity MODIFY COLUMN issue_key LowCardinality(String)",
            "activity.issue_key is LowCardinality(String) instead of String",
        ),
        (
            "ALTER TABLE activity MODIFY COLUMN version UInt8 DEFAULT 0",
            "activity.version is UInt8 DEFAULT instead of UInt8 MATERIALIZED",
        ),
        (
            "ALTER TABLE activity MODIFY COLUMN version UInt8 MATERIALIZED account_id != ''",
            "activity.version is computed from something else",
        ),
        ("ALTER TABLE activity MODIFY TTL toDateTime(occurred_at) + INTERVAL 1 DAY", "activity has a TTL"),
        (
            "ALTER TABLE activity MODIFY COLUMN account_id String TTL toDateTime(received_at) + INTERVAL 1 DAY",
            "activity has a TTL",
        ),
        (f"ALTER TABLE {WAY_IN} MODIFY QUERY SELECT site, event_key FROM activity_in", f"{WAY_IN} has another SELECT"),
        ("DROP VIEW activity_in_to_sources", "activity_in_to_sources is missing"),
        ("DROP TABLE directory_seats", "directory_seats is missing"),
    ],
)
async def test_what_loses_facts_is_an_error_and_named(warehouse: Warehouse, change: str, said: str) -> None:
    await warehouse.command(change)
    with pytest.raises(SchemaError) as refused:
        await require_no_drift(warehouse)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (WAY_IN, ("FROM activity_in", "FROM activity_in WHERE family = 'comment'"), ["has another SELECT"]),
        (WAY_IN, ("site, event_key", "site, lower(event_key) AS event_key"), ["has another SELECT"]),
        (
            "activity",
            ("MergeTree(version)", "MergeTree"),
            ["has the engine ReplacingMergeTree instead of ReplacingMergeTree(version)"],
        ),
        (
            "user_day_states",
            ("(site, toYYYYMM(day))", "toYYYYMM(day)"),
            ["has the partition toYYYYMM(day) instead of (site, toYYYYMM(day))"],
        ),
        ("user_day_states", ("PARTITION BY (site, toYYYYMM(day))", ""), ["has the partition none instead of"]),
        (
            "sites",
            ("{replicated}ReplacingMergeTree(updated_at)\nORDER BY site", "MergeTree ORDER BY (timezone, site)"),
            [
                "has the engine MergeTree instead of ReplacingMergeTree(updated_at)",
                "has the key timezone, site instead of site",
            ],
        ),
    ],
)
async def test_a_table_made_otherwise_is_an_error(
    warehouse: Warehouse, name: str, change: tuple[str, str], said: list[str]
) -> None:
    await remade(warehouse, name, *change)
    found = await drift(warehouse)
    for difference, what in zip(found, said, strict=True):
        assert str(difference).startswith(f"{name} {what}")
        assert difference.harmful


async def test_a_way_in_to_elsewhere_is_an_error(warehouse: Warehouse) -> None:
    await warehouse.command("CREATE TABLE kept AS activity")
    await remade(warehouse, WAY_IN, "TO activity ", "TO kept ")
    [found] = await drift(warehouse)
    assert str(found) == f"{WAY_IN} has the target kept instead of activity"
    assert found.harmful


async def test_a_way_in_that_waits_for_its_time_is_an_error(tmp_path: Path) -> None:
    async with migrated_into(tmp_path, "rollcall") as warehouse:
        await remade(warehouse, WAY_IN, "TO activity", "REFRESH EVERY 1 DAY TO activity")
        [found] = await drift(warehouse)
    assert str(found) == f"{WAY_IN} has the target REFRESH EVERY 1 DAY TO activity instead of activity"
    assert found.harmful


async def test_a_lost_or_changed_report_or_an_added_column_only_warns(warehouse: Warehouse) -> None:
    await remade(warehouse, "user_days", "min(states.first_at)", "max(states.first_at)")
    await warehouse.command("DROP VIEW webhook_coverage_daily")
    await warehouse.command("ALTER TABLE activity ADD COLUMN note String")
    await require_no_drift(warehouse)
    assert [(str(one), one.harmful) for one in await drift(warehouse)] == [
        ("activity.note is not of Rollcall", False),
        ("user_days has another SELECT", False),
        ("webhook_coverage_daily is missing", False),
    ]


def test_views_of_thirty_days_say_what_those_of_any_say() -> None:
    shapes = expected_shapes()
    for thirty, any_days in (("user_usage_30d", "user_usage"), ("idle_licenses", "idle_licenses_over")):
        assert shapes[thirty].select == shapes[any_days].select.replace("{days:UInt32}", "30")


async def test_of_what_cannot_be_seen_nothing_is_said(warehouse: Warehouse) -> None:
    await warehouse.command(f"DROP VIEW {WAY_IN}")
    await remade(warehouse, "user_days", "min(states.first_at)", "max(states.first_at)")
    assert [str(one) for one in await drift(warehouse, unseen={WAY_IN})] == ["user_days has another SELECT"]


def test_through_the_sql_door_a_changed_report_is_named(tmp_path: Path) -> None:
    """The door lets nobody call what writes SQL anew: then it is compared as it is."""
    with open_house(tmp_path) as house, house.door() as door:
        house.run(remade(house.warehouse, "user_days", "min(states.first_at)", "max(states.first_at)"))
        reader = house.run(open_warehouse(f"clickhouse://127.0.0.1:{door.port}/default", "a test", write=False))
        try:
            differences = house.run(drift(reader, unseen=INTERNAL_TABLES))
        finally:
            house.run(reader.close())
    assert [str(one) for one in differences] == ["user_days has another SELECT"]
