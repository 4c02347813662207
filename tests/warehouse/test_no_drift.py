"""What is no drift: the database's name, a cluster, another way to write the same, a comment."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.expected_schema import Shape, expected_shapes
from rollcall.warehouse.schema_check import drift

from .remaking import WAY_IN, made_by, migrated_into, remade

pytestmark = pytest.mark.anyio
ENGINES = ("engine_full", "create_table_query")


@pytest.mark.parametrize("database", ["rollcall", "a-b", "states", "activity_in"])
async def test_the_name_of_the_database_makes_no_difference(tmp_path: Path, database: str) -> None:
    """Not even one that is also the name of a table, or of one in a query."""
    async with migrated_into(tmp_path, database) as warehouse:
        assert await drift(warehouse) == []
        await warehouse.command("CREATE TABLE default.activity_in AS activity_in ENGINE = Null")
        await remade(warehouse, WAY_IN, "FROM activity_in", "FROM default.activity_in")
        assert [str(one) for one in await drift(warehouse)] == [f"{WAY_IN} has another SELECT"]


def spelt_otherwise(name: str, shape: Shape) -> Shape:
    """A shape with its SQL as the migrations have it, not as the engine writes it."""
    select = re.split(r" AS\s", made_by(name), maxsplit=1)[1] if shape.select else ""
    values = {column: value.replace(" ", "  ") for column, value in shape.values.items()}
    return msgspec.structs.replace(shape, select=select, values=values)


async def test_how_sql_is_written_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of the engine would write it otherwise, on one of the two sides."""
    stored = expected_shapes()
    spelt = {name: spelt_otherwise(name, shape) for name, shape in stored.items()}
    assert sum(spelt[name].texts != stored[name].texts for name in stored) > 12
    monkeypatch.setattr("rollcall.warehouse.schema_check.expected_shapes", lambda: spelt)
    async with migrated_into(tmp_path, "rollcall") as warehouse:
        await warehouse.command("SET implicit_select = 0")  # as servers have it: an expression is no query
        assert await drift(warehouse) == []


def on_a_cluster(row: Row) -> Row:
    """What a replica says of a table; on Keeper's path, a quote and a parenthesis are allowed."""
    place = r"'/clickhouse/it\'s (ours)/{uuid}/{shard}', '{replica}'"

    def replicated(found: re.Match[str]) -> str:
        return f"{found[1]}Replicated{found[2]}({place}{', ' if found[3] else ''}{found[3] or ''})"

    engine = re.compile(r"(^|ENGINE = )(\w*MergeTree)(?:\(([\w, ]*)\))?")
    return {name: engine.sub(replicated, value) if name in ENGINES else value for name, value in row.items()}


async def test_a_cluster_makes_no_difference(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = warehouse.query

    async def query(sql: str, parameters: Any = None) -> list[Row]:
        rows = [on_a_cluster(row) for row in await alone(sql, parameters)]
        return [{**row, "engine": f"Replicated{row['engine']}"} if "Replicated" in str(row) else row for row in rows]

    monkeypatch.setattr(warehouse, "query", query)
    assert await drift(warehouse) == []
    await remade(warehouse, "activity", "MergeTree(version)", "MergeTree")
    assert [str(one) for one in await drift(warehouse)] == [
        "activity has the engine ReplacingMergeTree instead of ReplacingMergeTree(version)"
    ]


@pytest.mark.parametrize("comment", ["no TTL", r"it\'s no TTL"])
async def test_a_comment_is_no_ttl(warehouse: Warehouse, comment: str) -> None:
    await warehouse.command(f"ALTER TABLE activity COMMENT COLUMN site '{comment}'")
    await warehouse.command(f"ALTER TABLE activity MODIFY COMMENT '{comment}'")
    assert await drift(warehouse) == []
