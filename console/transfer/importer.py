"""Bring the files of an export into a warehouse; doing it again changes nothing.

A file is looked at in a staging table of the import's own before its rows go where they belong.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from console.bars import TransferProgress
from console.transfer.manifest import ExportFile, Manifest, TransferError, sha256_of, this_schema
from console.transfer.tables import Span, TransferTable, transfer_tables
from rollcall.errors import SchemaError
from rollcall.warehouse import RefusedRowsError, Row, Warehouse, days_with_facts, rebuild_days, require_current
from rollcall.warehouse.rollups import refresh_site
from rollcall.warehouse.schema_check import require_no_drift, verify_insert_settings

_PREFIX = "import_staging_"
_LEFT_BEHIND = timedelta(hours=1)


@asynccontextmanager
async def staging_table(warehouse: Warehouse, table: TransferTable) -> AsyncIterator[str]:
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


_FROM_SETTINGS = "sites"
"""Its newest row wins, which is that of the settings here: never a reason to wonder."""

_OTHER_SITES = "UTC"
"""Reporting zone of facts whose site is not in the settings, as for consumers."""


@dataclass(slots=True)
class ImportStats:
    """What an import did with the files.

    Attributes:
        imported: Files whose rows went in now.
        already_there: Files whose rows were there already, exactly, so that nothing was done.
        mixed: Those of `imported` in whose span the warehouse had other rows too.
        user_days: User days of the rollup, computed anew.
    """

    imported: int = 0
    already_there: int = 0
    mixed: int = 0
    user_days: int = 0


async def require_fitting(warehouse: Warehouse, manifest: Manifest) -> None:
    """Raise SchemaError or SettingsError unless the export's rows fit into this warehouse."""
    if manifest.schema != (ours := this_schema()):
        newest, newest_here = max(manifest.schema, default="none"), max(ours)
        raise SchemaError(
            f"the export is of Rollcall {manifest.made_by} (migration {newest}), which has other tables than this one "
            f"(migration {newest_here}); export again with the version that imports, after rollcall migrate there"
        )
    # First, as a server that forbids a setting answers nothing else either.
    await verify_insert_settings(warehouse)
    await require_current(warehouse)
    await require_no_drift(warehouse)


async def import_from(
    folder: Path, manifest: Manifest, warehouse: Warehouse, progress: TransferProgress
) -> ImportStats:
    """Import an export; what an earlier run imported is found and left alone.

    Each file is first looked at in a table of its own. Afterwards every key of it must be in the warehouse.

    Args:
        folder: The export.
        manifest: Its manifest.
        warehouse: Where to; consumers may be writing to it.
        progress: Shows every file.

    Raises:
        TransferError: A file is damaged, or its rows did not arrive.
        SchemaError, SettingsError, WarehouseUnavailableError: See `require_fitting`.
    """
    await require_fitting(warehouse, manifest)
    await drop_leftovers(warehouse)
    done = ImportStats()
    for table in transfer_tables():
        for part in manifest.tables.get(table.name, []):
            if await _digest(warehouse, table, table.name, part.span) == (part.rows, part.digest):
                done.already_there += 1
                progress.add(table.name, part.rows, "were there")
                continue
            await _import_file(warehouse, table, part, folder / part.file)
            done.imported += 1
            arrived = await _digest(warehouse, table, table.name, part.span) == (part.rows, part.digest)
            if not arrived and table.name != _FROM_SETTINGS:
                done.mixed += 1
            progress.add(table.name, part.rows, "imported")
    await _rebuild(warehouse)
    [days] = await warehouse.query("SELECT count() AS days FROM user_days")
    done.user_days = days["days"]
    return done


async def _digest(
    warehouse: Warehouse, table: TransferTable, name: str, span: Span, final: str = "FINAL"
) -> tuple[int, int]:
    [row] = await warehouse.query(
        f"SELECT {table.digest} FROM {name} {final} WHERE {span.condition(table)}",  # noqa: S608 - names of our own
        span.parameters(),
    )
    return row["rows"], row["digest"]


async def _import_file(warehouse: Warehouse, table: TransferTable, part: ExportFile, file: Path) -> None:
    try:
        sound = await asyncio.to_thread(sha256_of, file) == part.sha256
    except OSError as error:
        raise TransferError(f"{file}: cannot be read ({error.strerror})") from None
    if not sound:
        raise TransferError(f"{file}: is not as it was exported; copy the export again")
    async with staging_table(warehouse, table) as staging:
        try:
            await warehouse.insert_file(staging, file, "Parquet")
        except RefusedRowsError as error:
            raise TransferError(f"{file}: the warehouse refuses its rows: {error.__cause__}") from error
        await caught_up(warehouse, staging)
        if await _digest(warehouse, table, staging, part.span, final="") != (part.rows, part.digest):
            raise TransferError(f"{file}: its rows did not arrive as they were exported; nothing of it was kept")
        given = ", ".join(table.given)
        await warehouse.command(f"INSERT INTO {table.name} ({given}) SELECT {given} FROM {staging}")  # noqa: S608 - names of our own
        await caught_up(warehouse, table.name)
        if lost := await _missing(warehouse, table, staging, part.span):
            raise TransferError(f"{file}: {lost} of its {part.rows} rows are not in {table.name}; import again")


async def _missing(warehouse: Warehouse, table: TransferTable, staging: str, span: Span) -> int:
    """Return how many keys of a file the warehouse lacks."""
    key = f"({table.key_names})"
    rows: list[Row] = await warehouse.query(
        f"SELECT count() AS lost FROM {staging} WHERE {key} NOT IN "  # noqa: S608 - names of our own
        f"(SELECT {key} FROM {table.name} WHERE {span.condition(table)})",
        span.parameters(),
    )
    return int(rows[0]["lost"])


async def _rebuild(warehouse: Warehouse) -> None:
    """Compute the rollups of every site that has facts or a directory."""
    rows = await warehouse.query(
        "SELECT facts.site AS site, max(known.timezone) AS timezone FROM (SELECT DISTINCT site FROM activity) AS facts "
        "LEFT JOIN (SELECT site, toString(timezone) AS timezone FROM sites FINAL) AS known ON known.site = facts.site "
        "GROUP BY site ORDER BY site"
    )
    for row in rows:
        days = await days_with_facts(warehouse, row["site"])
        await rebuild_days(warehouse, row["site"], row["timezone"] or _OTHER_SITES, days)
    for row in await warehouse.query("SELECT DISTINCT site FROM directory_snapshots ORDER BY site"):
        await refresh_site(warehouse, row["site"])
