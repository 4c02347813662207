"""Tables and views made again, otherwise than the migrations make them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rollcall.warehouse import Warehouse, migrate
from rollcall.warehouse.client import WRITE_SETTINGS
from rollcall.warehouse.engines import Embedded, embedded_client
from rollcall.warehouse.migrations import all_migrations

WAY_IN = "activity_in_to_activity"


def _statements() -> list[str]:
    return [one for migration in all_migrations() for one in migration.statements()]


def made_by(name: str) -> str:
    """The last statement of the migrations that makes a table or view, with the SELECT that it was given last."""
    made = [one for one in _statements() if re.match(rf"CREATE [A-Z ]+ {name} {{on_cluster}}", one)][-1]
    given = f"ALTER TABLE {name} {{on_cluster}} MODIFY QUERY"
    for one in _statements():
        if one.startswith(given):
            made = re.split(r" AS\s", made, maxsplit=1)[0] + " AS\n" + one.removeprefix(given).lstrip()
    return made


async def remade(warehouse: Warehouse, name: str, old: str, new: str) -> None:
    """Drop a table or view and make it again, with a change to the text of the migrations."""
    statement = made_by(name)
    assert old in statement
    await warehouse.command(f"DROP TABLE {name}")
    await warehouse.command(warehouse.cluster.filled(statement.replace(old, new)))
    for one in _statements():
        if re.match(rf"ALTER TABLE {name} {{on_cluster}}\s+ADD ", one):
            await warehouse.command(warehouse.cluster.filled(one))


@asynccontextmanager
async def migrated_into(folder: Path, database: str) -> AsyncIterator[Warehouse]:
    """A warehouse in a database of its own, as on a server; one thread, so that it stays there."""
    warehouse = Warehouse(lambda: embedded_client(Embedded(folder / "warehouse"), WRITE_SETTINGS), threads=1)
    try:
        await warehouse.command(f"CREATE DATABASE `{database}` ENGINE = Atomic")
        await warehouse.command(f"USE `{database}`")
        await migrate(warehouse)
        yield warehouse
    finally:
        await warehouse.close()
