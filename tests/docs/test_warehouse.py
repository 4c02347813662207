"""The warehouse page has every table and view with its columns and types, and its queries run."""

import re
from pathlib import Path

import httpx
import pytest

from console.sqldoor.door import create_door
from console.sqldoor.profile import DoorLimits
from rollcall.warehouse import Warehouse
from rollcall.warehouse.engines import Embedded

from ..facts import fact, write
from .pages import blocks, plain, sections, tables, text_of

pytestmark = pytest.mark.anyio
PAGE = text_of("docs/warehouse.md")
CONTRACT = {
    "activity",
    "user_days",
    "active_users_daily",
    "user_usage_30d",
    "license_usage_30d",
    "idle_licenses",
    "webhook_coverage_daily",
    "seats",
    "seat_days",
}
"""The names that dashboards may rely on."""
WITH_DAYS = {"user_usage", "license_usage", "idle_licenses_over"}
"""Views that take the number of days."""

Columns = list[tuple[str, str]]


def documented(part: str) -> dict[str, Columns]:
    """Columns by table or view, from the sections of a part of the page."""
    found: dict[str, Columns] = {}
    for heading, text in sections(dict(sections(PAGE, 2))[part], 3):
        columns = [(plain(row[0]), plain(row[1])) for row in tables(text)[0]]
        for name in re.findall(r"`(\w+)(?:\(days = N\))?`", heading):
            found[name] = columns
    return found


async def actual(warehouse: Warehouse) -> dict[str, Columns]:
    """Columns by table or view, from the engine; materialized views have none of their own."""
    names = await warehouse.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'"
    )
    found: dict[str, Columns] = {}
    for row in names:
        name = row["name"]
        arguments = "(days = 30)" if name in WITH_DAYS else ""
        columns = await warehouse.query(f"DESCRIBE TABLE {name}{arguments}")
        found[name] = [(column["name"], column["type"]) for column in columns]
    return found


async def test_every_column_of_every_table_and_view_is_documented(warehouse: Warehouse) -> None:
    assert {**documented("Contract"), **documented("Internal")} == await actual(warehouse)


async def test_every_materialized_view_is_documented(warehouse: Warehouse) -> None:
    rows = await warehouse.query(
        "SELECT name, extract(create_table_query, ' TO (?:\\w+\\.)?(\\w+)') AS target FROM system.tables "
        "WHERE database = currentDatabase() AND engine = 'MaterializedView'"
    )
    section = dict(sections(PAGE, 3))["`activity_in`"]
    assert {(row["name"], row["target"]) for row in rows} == {(plain(a), plain(b)) for a, b in tables(section)[1]}


def test_the_contract_is_what_dashboards_may_rely_on() -> None:
    assert set(documented("Contract")) == CONTRACT | WITH_DAYS
    overview = tables(dict(sections(PAGE, 2))["What may be relied on"])[0]
    assert set(re.findall(r"`(\w+)", " ".join(row[0] for row in overview))) == CONTRACT | WITH_DAYS


async def test_queries_run(warehouse: Warehouse) -> None:
    await write(warehouse, fact("comment:1:created", "2026-11-20T10:00:00"))
    for query in blocks(PAGE, "sql"):
        await warehouse.query(query)


async def test_a_query_finds_what_it_is_said_to_find(warehouse: Warehouse) -> None:
    await write(warehouse, fact("comment:1:created", "2026-11-20T10:00:00"))
    query = next(query for query in blocks(PAGE, "sql") if "account_id = 'anna'" in query)
    assert [row["family"] for row in await warehouse.query(query)] == ["comment"]


async def test_queries_run_through_the_sql_door(warehouse: Warehouse, tmp_path: Path) -> None:
    door = create_door(Embedded(tmp_path / "warehouse"), listen="127.0.0.1:8123", unprotected=True)
    queries = [*blocks(PAGE, "sql"), *re.findall(r"--data '([^']+)'", PAGE)]

    transport = httpx.ASGITransport(door)
    async with (
        door.router.lifespan_context(door),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8123") as client,
    ):
        answers = [await client.post("/", content=query) for query in queries]
    assert [answer.text for answer in answers if answer.status_code != httpx.codes.OK] == []
    assert len(queries) > 5


def test_limits_of_the_sql_door_are_as_told() -> None:
    limits = DoorLimits()
    text = dict(sections(PAGE, 2))["How to ask"]
    assert f"{limits.seconds:g} seconds and {limits.memory >> 20} MiB" in text
    assert f"{limits.result_rows} rows; {limits.concurrent} run at once" in text
