"""Bring the files of an export into a warehouse; doing it again changes nothing."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from console.moving.manifest import Manifest, Part, sha256_of, this_schema
from console.moving.showing import Showing
from console.moving.span import Span
from console.moving.staging import caught_up, drop_leftovers, staging_table
from console.moving.tables import Moved, moved_tables
from console.moving.trouble import MoveError
from rollcall.errors import SchemaError
from rollcall.warehouse import RefusedRowsError, Row, Warehouse, days_with_facts, rebuild_days, require_current
from rollcall.warehouse.drift import require_shape
from rollcall.warehouse.insert_settings import verify_insert_settings

_FROM_SETTINGS = "sites"
"""Its newest row wins, which is that of the settings here: never a reason to wonder."""

_OTHER_SITES = "UTC"
"""Reporting zone of facts whose site is not in the settings, as for consumers."""


@dataclass(slots=True)
class Imported:
    """What an import did with the files.

    Attributes:
        brought: Files whose rows went in now.
        there: Files whose rows were there already, exactly, so that nothing was done.
        among_others: Files of `brought` in whose stretch the warehouse had other rows too.
        user_days: User days of the rollup, computed anew.
    """

    brought: int = 0
    there: int = 0
    among_others: int = 0
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
    await require_shape(warehouse)


async def import_from(folder: Path, manifest: Manifest, warehouse: Warehouse, showing: Showing) -> Imported:
    """Import an export; what a run before this one brought is found and left alone.

    Each file is first looked at in a table of its own. Afterwards every key of it must be in the warehouse.

    Args:
        folder: The export.
        manifest: Its manifest.
        warehouse: Where to; consumers may be writing to it.
        showing: Told of every file.

    Raises:
        MoveError: A file is damaged, or its rows did not arrive.
        SchemaError, SettingsError, WarehouseUnavailableError: See `require_fitting`.
    """
    await require_fitting(warehouse, manifest)
    await drop_leftovers(warehouse)
    done = Imported()
    for table in moved_tables():
        for part in manifest.tables.get(table.name, []):
            if await _digest(warehouse, table, table.name, part.span) == (part.rows, part.digest):
                done.there += 1
                showing.moved(table.name, part.rows, "were there")
                continue
            await _bring(warehouse, table, part, folder / part.file)
            done.brought += 1
            arrived = await _digest(warehouse, table, table.name, part.span) == (part.rows, part.digest)
            if not arrived and table.name != _FROM_SETTINGS:
                done.among_others += 1
            showing.moved(table.name, part.rows, "imported")
    await _rebuild(warehouse)
    [days] = await warehouse.query("SELECT count() AS days FROM user_days")
    done.user_days = days["days"]
    return done


async def _digest(warehouse: Warehouse, table: Moved, name: str, span: Span, final: str = "FINAL") -> tuple[int, int]:
    [row] = await warehouse.query(
        f"SELECT {table.digest} FROM {name} {final} WHERE {span.condition(table)}",  # noqa: S608 - names of our own
        span.parameters(),
    )
    return row["rows"], row["digest"]


async def _bring(warehouse: Warehouse, table: Moved, part: Part, file: Path) -> None:
    try:
        sound = await asyncio.to_thread(sha256_of, file) == part.sha256
    except OSError as error:
        raise MoveError(f"{file}: cannot be read ({error.strerror})") from None
    if not sound:
        raise MoveError(f"{file}: is not as it was exported; copy the export again")
    async with staging_table(warehouse, table) as staging:
        try:
            await warehouse.insert_file(staging, file, "Parquet")
        except RefusedRowsError as error:
            raise MoveError(f"{file}: the warehouse refuses its rows: {error.__cause__}") from error
        await caught_up(warehouse, staging)
        if await _digest(warehouse, table, staging, part.span, final="") != (part.rows, part.digest):
            raise MoveError(f"{file}: its rows did not arrive as they were exported; nothing of it was kept")
        given = ", ".join(table.given)
        await warehouse.command(f"INSERT INTO {table.name} ({given}) SELECT {given} FROM {staging}")  # noqa: S608 - names of our own
        await caught_up(warehouse, table.name)
        if lost := await _missing(warehouse, table, staging, part.span):
            raise MoveError(f"{file}: {lost} of its {part.rows} rows are not in {table.name}; import again")


async def _missing(warehouse: Warehouse, table: Moved, staging: str, span: Span) -> int:
    """Return how many keys of a file the warehouse lacks."""
    key = f"({table.key_names})"
    rows: list[Row] = await warehouse.query(
        f"SELECT count() AS lost FROM {staging} WHERE {key} NOT IN "  # noqa: S608 - names of our own
        f"(SELECT {key} FROM {table.name} WHERE {span.condition(table)})",
        span.parameters(),
    )
    return int(rows[0]["lost"])


async def _rebuild(warehouse: Warehouse) -> None:
    """Compute the rollup of every site that has facts."""
    rows = await warehouse.query(
        "SELECT facts.site AS site, max(known.timezone) AS timezone FROM (SELECT DISTINCT site FROM activity) AS facts "
        "LEFT JOIN (SELECT site, toString(timezone) AS timezone FROM sites FINAL) AS known ON known.site = facts.site "
        "GROUP BY site ORDER BY site"
    )
    for row in rows:
        days = await days_with_facts(warehouse, row["site"])
        await rebuild_days(warehouse, row["site"], row["timezone"] or _OTHER_SITES, days)
