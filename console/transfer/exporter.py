"""Write the warehouse's tables into a folder, file by file."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from console.bars import TransferProgress
from console.transfer.manifest import ExportFile, Manifest, TransferError, this_schema, write_file, write_manifest
from console.transfer.tables import Span, TransferTable, transfer_tables
from rollcall import __version__
from rollcall.errors import SettingsError
from rollcall.warehouse import Warehouse

_TRIES = 20
_PAUSE = 0.5
"""Seconds before a span that changed while it was read is read again."""


async def export_to(folder: Path, warehouse: Warehouse, rows_a_file: int, progress: TransferProgress) -> Manifest:
    """Export the warehouse; memory is bounded by one file's rows.

    Args:
        folder: Where to; made if it is not there, and empty.
        warehouse: Whose schema is current.
        rows_a_file: Most rows of a file, more or less.
        progress: Shows every file.

    Raises:
        SettingsError: The folder cannot be used.
        TransferError: A span of a table keeps changing.
        WarehouseUnavailableError: The warehouse cannot be read.
    """
    _prepare(folder)
    tables: dict[str, list[ExportFile]] = {}
    for table in transfer_tables():
        tables[table.name] = []
        async for span in _spans(warehouse, table, rows_a_file):
            file = folder / f"{table.name}-{len(tables[table.name]) + 1:05}.parquet"
            if part := await _export_span(warehouse, table, span, file):
                tables[table.name].append(part)
                progress.add(table.name, part.rows, "exported")
    [days] = await warehouse.query("SELECT count() AS days FROM user_days")
    manifest = Manifest(
        made_by=__version__,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        schema=this_schema(),
        user_days=days["days"],
        tables=tables,
    )
    write_manifest(folder, manifest)
    return manifest


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        used = any(folder.iterdir())
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be used ({error.strerror}); name another folder") from None
    if used:
        raise SettingsError(f"{folder}: is not empty; name a new folder, or empty this one")


async def _spans(warehouse: Warehouse, table: TransferTable, rows: int) -> AsyncIterator[Span]:
    """Cut a table into spans of so many rows; rows of one fact that are not merged yet count each."""
    keys = ", ".join(f"toString({name}) AS key_{n}" for n, (name, _) in enumerate(table.key))
    span = Span()
    while True:
        found = await warehouse.query(
            f"SELECT {keys} FROM {table.name} WHERE {span.condition(table)} "  # noqa: S608 - names of our schema
            f"ORDER BY {table.key_names} LIMIT 1 OFFSET {rows - 1}",
            span.parameters(),
        )
        if not found:
            yield span
            return
        upto = tuple(found[0].values())
        yield Span(span.after, upto)
        span = Span(upto)


async def _export_span(warehouse: Warehouse, table: TransferTable, span: Span, file: Path) -> ExportFile | None:
    """Write one file; None when there is nothing to write."""
    source = f"FROM {table.name} FINAL WHERE {span.condition(table)}"
    rows = f"SELECT {', '.join(table.columns)} {source} ORDER BY {table.key_names}"
    digest = f"SELECT {table.digest} {source}"
    for _ in range(_TRIES):
        [before] = await warehouse.query(digest, span.parameters())
        if not before["rows"]:
            return None
        data = await warehouse.fetch(rows, "Parquet", span.parameters())
        [after] = await warehouse.query(digest, span.parameters())
        # Equal on both sides of the read, so what was read is what the digest is of.
        if before == after:
            try:
                sha256 = await asyncio.to_thread(write_file, file, data)
            except OSError as error:
                raise TransferError(f"{file}: cannot be written ({error.strerror})") from None
            return ExportFile(file=file.name, span=span, sha256=sha256, rows=before["rows"], digest=before["digest"])
        await asyncio.sleep(_PAUSE)
    raise TransferError(f"{table.name}: changes faster than it can be read; export while no consumer runs")
