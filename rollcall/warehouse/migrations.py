"""Migrations: numbered SQL files, applied in order and once each, in a database that is made if a server lacks it.

On a cluster, every table has to be one table on all replicas.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from importlib import resources

from rollcall.errors import SchemaError
from rollcall.settings.servers import WarehouseSettings
from rollcall.warehouse.client import Cluster, Warehouse
from rollcall.warehouse.engines import Server, parse_warehouse_url, require_consistent, server_client
from rollcall.warehouse.rebuild import fill_rollups

_USERS_OWN = "__default__"
"""clickhouse-connect's word for the database that the server gives this user."""


async def create_database(url: str, options: WarehouseSettings) -> bool:
    """Create the database that `warehouse_url` names, if it names a server that lacks it.

    Where it is there, the user needs no right to create one.

    Args:
        url: ``warehouse_url``.
        options: The `warehouse` settings.

    Returns:
        Whether it was made.

    Raises:
        SettingsError: The URL is unusable.
        WarehouseUnavailableError: The server cannot be reached or refuses.
    """
    address = parse_warehouse_url(url)
    require_consistent(address, options)
    if not isinstance(address, Server):
        return False
    elsewhere, cluster = replace(address, database=_USERS_OWN), Cluster(options.cluster)
    warehouse = Warehouse(lambda: server_client(elsewhere, options, {}), threads=1)
    try:
        there = await warehouse.query(
            "SELECT 1 FROM system.databases WHERE name = {name:String}", {"name": address.database}
        )
        if not there:
            await warehouse.command(
                f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}} {cluster.on_cluster}", {"name": address.database}
            )
        return not there
    finally:
        await warehouse.close()


async def require_cluster(warehouse: Warehouse) -> None:
    """Raise SchemaError unless the cluster of the settings, if any, is there and has one shard.

    With more shards a fact would be on one of them only, and every view would show a part.
    """
    if not warehouse.cluster:
        return
    rows = await warehouse.query(
        "SELECT uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = {name:String}",
        {"name": warehouse.cluster.name},
    )
    shards = rows[0]["shards"]
    if shards == 0:
        raise SchemaError(
            f"warehouse.cluster: the server knows no cluster {warehouse.cluster.name}; "
            "system.clusters lists those it knows"
        )
    if shards > 1:
        raise SchemaError(
            f"warehouse.cluster: {warehouse.cluster.name} has {shards} shards; Rollcall needs a cluster of one shard, "
            "whose replicas hold everything"
        )


async def require_same_tables(warehouse: Warehouse) -> None:
    """Raise SchemaError when a table of ours is not one replicated table on all replicas of the cluster.

    A migration that was cut short and run again can leave a replica with a table of the same name and another path in
    Keeper: it looks right and never gets what the others have.
    """
    if not warehouse.cluster:
        return
    rows = await warehouse.query(
        "SELECT table, uniqExact(zookeeper_path) AS paths, count() AS replicas, "  # noqa: S608 - our own setting
        "(SELECT count() FROM system.clusters WHERE cluster = {name:String}) AS hosts "
        f"FROM {warehouse.cluster.everywhere('system.replicas')} "
        "WHERE database = currentDatabase() GROUP BY table HAVING paths > 1 OR replicas != hosts ORDER BY table",
        {"name": warehouse.cluster.name},
    )
    if rows:
        named = ", ".join(f"{row['table']} ({row['replicas']} of {row['hosts']} replicas)" for row in rows)
        raise SchemaError(
            f"not one table on all replicas of cluster {warehouse.cluster.name}: {named}. Drop it where it stands "
            "alone, and run rollcall migrate again; docs/clickhouse.md says how"
        )


_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_END = re.compile(r";[ \t]*(?:\n|$)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)

_READS_ROLLUPS = "views_over_rollups"
"""The migration whose views read the rollups, which have to be filled before."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations {on_cluster}
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(applied_at)
ORDER BY version
"""

_IDENTITY = """
CREATE TABLE IF NOT EXISTS warehouse_identity {on_cluster}
(
    id      String,
    made_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {replicated}MergeTree
ORDER BY made_at
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``rollcall/warehouse/schema``."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Notices a file that was changed after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]

    def statements(self) -> list[str]:
        """Return the file's statements without comments."""
        parts = (part.strip() for part in _END.split(_COMMENT.sub("", self.sql)))
        return [part for part in parts if part]


def all_migrations() -> list[Migration]:
    """Return every migration of this version of Rollcall, in order."""
    files = resources.files("rollcall.warehouse").joinpath("schema").iterdir()
    matched = ((match, file) for file in files if (match := _FILE.fullmatch(file.name)))
    found = [Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")) for match, file in matched]
    return sorted(found, key=lambda migration: migration.version)


async def pending(warehouse: Warehouse) -> list[Migration]:
    """Return the migrations still to apply.

    Raises:
        SchemaError: The warehouse was made by a newer Rollcall, or an applied file was changed.
        WarehouseUnavailableError: The engine does not answer a query.
    """
    known = {migration.version: migration for migration in all_migrations()}
    applied = await _applied(warehouse)
    for version, checksum in applied.items():
        if version not in known:
            raise SchemaError(f"the warehouse has migration {version:04}, unknown to this Rollcall; run a newer one")
        if known[version].checksum != checksum:
            raise SchemaError(f"migration {version:04} was changed after it was applied; restore the released file")
    return [migration for version, migration in sorted(known.items()) if version not in applied]


async def migrate(warehouse: Warehouse, *, leave_filling: bool = False) -> list[Migration]:
    """Apply what is pending and return it. Safe to run again after an interruption.

    A warehouse without an id gets one: random, to tell it from every other (`consumers.writers.LogPositions`).

    Args:
        warehouse: Where.
        leave_filling: Whether to leave the views over rollups, which an existing warehouse has to fill before, to
            another call: what takes minutes, while consumers write and readers have the views of before.

    Raises:
        SchemaError, WarehouseUnavailableError: See `pending`.
    """
    await require_cluster(warehouse)
    for table in (_LEDGER, _IDENTITY):
        await warehouse.command(warehouse.cluster.filled(table))
    todo = await pending(warehouse)
    if (
        leave_filling
        and any(migration.name == _READS_ROLLUPS for migration in todo)
        and await _has_user_days(warehouse)
    ):
        todo = [migration for migration in todo if migration.name != _READS_ROLLUPS]
    # What fills rollups rebuilds all states, also those of migrations after it.
    for migration in sorted(todo, key=lambda one: (one.name == _READS_ROLLUPS, one.version)):
        if migration.name == _READS_ROLLUPS:
            await fill_rollups(warehouse)  # readers stay with the views of before until it is whole
        for statement in migration.statements():
            await warehouse.command(warehouse.cluster.filled(_repeatable(statement)))
        await warehouse.command(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ({v:UInt32}, {n:String}, {c:String})",
            {"v": migration.version, "n": migration.name, "c": migration.checksum},
        )
    await require_same_tables(warehouse)
    await warehouse.command(
        "INSERT INTO warehouse_identity (id) SELECT {id:String} WHERE NOT EXISTS (SELECT 1 FROM warehouse_identity)",
        {"id": secrets.token_hex(8)},
    )
    return todo


async def _has_user_days(warehouse: Warehouse) -> bool:
    there = "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'user_day_states'"
    return bool(await warehouse.query(there)) and bool(await warehouse.query("SELECT 1 FROM user_day_states LIMIT 1"))


async def require_current(warehouse: Warehouse) -> None:
    """Raise SchemaError unless every migration is applied, but for views that wait until rollups are filled."""
    if todo := [migration for migration in await pending(warehouse) if migration.name != _READS_ROLLUPS]:
        raise SchemaError(
            f"the warehouse lacks {len(todo)} migration(s), first {todo[0].version:04}; run rollcall migrate"
        )


async def _applied(warehouse: Warehouse) -> dict[int, str]:
    if not await warehouse.query(
        "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"
    ):
        return {}
    rows = await warehouse.query("SELECT version, checksum FROM schema_migrations FINAL")
    return {row["version"]: row["checksum"] for row in rows}


def _repeatable(statement: str) -> str:
    """Let a migration that was cut short run again: what it made already stays."""
    return re.sub(r"^CREATE (TABLE|VIEW|MATERIALIZED VIEW) ", r"CREATE \1 IF NOT EXISTS ", statement)
