"""A table of an import's own, in which a file is looked at before its rows go where they belong."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from console.moving.tables import Moved
from rollcall.warehouse import Warehouse

_PREFIX = "import_staging_"
_LEFT_BEHIND = timedelta(hours=1)


@asynccontextmanager
async def staging_table(warehouse: Warehouse, table: Moved) -> AsyncIterator[str]:
    """Make a table with the columns of another and return its name; it is dropped at the end."""
    name, on_cluster = f"{_PREFIX}{secrets.token_hex(6)}", warehouse.cluster.on_cluster
    engine = warehouse.cluster.filled("{replicated}MergeTree")
    await warehouse.command(f"CREATE TABLE {name} {on_cluster} AS {table.name} ENGINE = {engine} ORDER BY tuple()")
    try:
        yield name
    finally:
        await warehouse.command(f"DROP TABLE IF EXISTS {name} {on_cluster}")


async def drop_leftovers(warehouse: Warehouse) -> None:
    """Drop staging tables of imports that were killed; an hour tells them from one that runs."""
    rows = await warehouse.query(
        "SELECT name, metadata_modification_time AS made FROM system.tables "
        "WHERE database = currentDatabase() AND startsWith(name, {prefix:String})",
        {"prefix": _PREFIX},
    )
    for row in rows:
        made: datetime = row["made"]
        if datetime.now(tz=made.tzinfo) - made > _LEFT_BEHIND:
            await warehouse.command(f"DROP TABLE IF EXISTS {row['name']} {warehouse.cluster.on_cluster}")


async def caught_up(warehouse: Warehouse, table: str) -> None:
    """On a cluster, wait until every replica has what was just written."""
    if statement := warehouse.cluster.caught_up(table):
        await warehouse.command(statement)
