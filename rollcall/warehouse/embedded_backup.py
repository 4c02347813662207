"""The embedded warehouse's backup: ClickHouse's own BACKUP, into a folder beside its tables, and its RESTORE.

The engine of `up` may write below the warehouse's folder only, so it is there that it backs up; who asked takes the
files from there.
"""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from rollcall.warehouse.client import Warehouse

FOLDER = "backups"
"""Below the warehouse's folder; the engine's configuration allows it no other."""

_POSITIONS, _TABLES = "positions", "tables"
_IDENTITY = "SELECT id FROM warehouse_identity ORDER BY made_at, id LIMIT 1"


class WrittenPosition(msgspec.Struct, frozen=True):
    """How far a partition of a topic was written when a backup began, as `log_positions` has it."""

    topic: str
    series: str
    partition: int
    next_offset: int


class WarehouseBackup(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine backed up.

    Attributes:
        folder: Where it is, to be taken away from there.
        identity: The warehouse's id.
        schema: Number and checksum of each migration that was applied.
        positions: How far it was written before the first table was copied.
    """

    folder: str
    identity: str
    schema: Mapping[str, str]
    positions: Sequence[WrittenPosition]


async def back_up(warehouse: Warehouse) -> WarehouseBackup:
    """Back up an embedded warehouse, which may be written to and queried meanwhile.

    Its tables are not copied at one moment. So the positions are copied first: what any table has beyond them, or
    lacks, the log has, and is read again from there.

    Args:
        warehouse: The open warehouse; one backup at a time. What an earlier one left behind is removed.

    Raises:
        WarehouseUnavailableError: It could not be done; nothing is left of it.
    """
    assert warehouse.holder  # noqa: S101 - a server has ways of its own
    below = warehouse.holder.address.path / FOLDER
    shutil.rmtree(below, ignore_errors=True)
    [identity] = await warehouse.query(_IDENTITY)
    migrations = await warehouse.query("SELECT version, checksum FROM schema_migrations FINAL ORDER BY version")
    rows = await warehouse.query(
        "SELECT topic, series, partition, max(log_positions.next_offset) AS next_offset "
        "FROM log_positions GROUP BY topic, series, partition ORDER BY topic, series, partition"
    )
    name = secrets.token_hex(8)
    try:
        await warehouse.query(f"BACKUP TABLE log_positions TO File('{name}/{_POSITIONS}/')")
        await warehouse.query(f"BACKUP DATABASE default EXCEPT TABLES log_positions TO File('{name}/{_TABLES}/')")
    except BaseException:
        shutil.rmtree(below, ignore_errors=True)
        raise
    return WarehouseBackup(
        folder=str(below / name),
        identity=identity["id"],
        schema={f"{row['version']:04}": row["checksum"] for row in migrations},
        positions=[WrittenPosition(**row) for row in rows],
    )


async def restore(warehouse: Warehouse, folder: Path) -> str:
    """Restore into an embedded warehouse that is empty, and return its id.

    Args:
        warehouse: The open warehouse.
        folder: What `back_up` wrote, wherever it is now, as an absolute path; it is only read.

    Raises:
        WarehouseUnavailableError: The engine could not restore it.
    """
    assert warehouse.holder  # noqa: S101 - as above
    below = warehouse.holder.address.path / FOLDER
    below.mkdir(mode=0o700)
    try:
        (below / "given").symlink_to(folder, target_is_directory=True)
        await warehouse.query(f"RESTORE DATABASE default FROM File('given/{_TABLES}/')")
        await warehouse.query(f"RESTORE TABLE log_positions FROM File('given/{_POSITIONS}/')")
    finally:
        shutil.rmtree(below, ignore_errors=True)
    [identity] = await warehouse.query(_IDENTITY)
    return str(identity["id"])
