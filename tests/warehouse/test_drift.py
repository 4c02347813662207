"""Tables that somebody altered are noticed, by name; what does no harm does not stop the consumers."""

from pathlib import Path

import pytest

from rollcall.errors import SchemaError
from rollcall.warehouse import Warehouse
from rollcall.warehouse.drift import drift, require_shape
from rollcall.warehouse.expected import actual_shapes, written

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
        ("DROP VIEW activity_in_to_sources", "activity_in_to_sources is missing"),
        ("DROP TABLE directory_seats", "directory_seats is missing"),
    ],
)
async def test_what_loses_facts_is_an_error_and_named(warehouse: Warehouse, change: str, said: str) -> None:
    await warehouse.command(change)
    with pytest.raises(SchemaError) as refused:
        await require_shape(warehouse)
    assert said in str(refused.value)


async def test_another_key_is_noticed(warehouse: Warehouse) -> None:
    await warehouse.command("DROP TABLE sites")
    await warehouse.command(
        "CREATE TABLE sites (site LowCardinality(String), timezone LowCardinality(String), "
        "updated_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) ENGINE = MergeTree ORDER BY (timezone, site)"
    )
    assert [str(one) for one in await drift(warehouse)] == [
        "sites has the engine MergeTree instead of ReplacingMergeTree",
        "sites has the key timezone, site instead of site",
    ]


async def test_a_lost_report_or_an_added_column_only_warns(warehouse: Warehouse) -> None:
    await warehouse.command("DROP VIEW webhook_coverage_daily")
    await warehouse.command("ALTER TABLE activity ADD COLUMN note String")
    await require_shape(warehouse)
    assert [(str(one), one.harmful) for one in await drift(warehouse)] == [
        ("activity.note is not of Rollcall", False),
        ("webhook_coverage_daily is missing", False),
    ]
