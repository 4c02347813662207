"""Numbered SQL files, applied in order and once each."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from rollcall.errors import SchemaError
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.replicas import require_cluster, require_same_tables

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_END = re.compile(r";[ \t]*(?:\n|$)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)

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
        WarehouseUnavailableError: The engine cannot be asked.
    """
    known = {migration.version: migration for migration in all_migrations()}
    applied = await _applied(warehouse)
    for version, checksum in applied.items():
        if version not in known:
            raise SchemaError(f"the warehouse has migration {version:04}, unknown to this Rollcall; run a newer one")
        if known[version].checksum != checksum:
            raise SchemaError(f"migration {version:04} was changed after it was applied; restore the released file")
    return [migration for version, migration in sorted(known.items()) if version not in applied]


async def migrate(warehouse: Warehouse) -> list[Migration]:
    """Apply what is pending and return it. Safe to run again after an interruption.

    Raises:
        SchemaError, WarehouseUnavailableError: See `pending`.
    """
    await require_cluster(warehouse)
    await warehouse.command(warehouse.cluster.filled(_LEDGER))
    todo = await pending(warehouse)
    for migration in todo:
        for statement in migration.statements():
            await warehouse.command(warehouse.cluster.filled(_repeatable(statement)))
        await warehouse.command(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ({v:UInt32}, {n:String}, {c:String})",
            {"v": migration.version, "n": migration.name, "c": migration.checksum},
        )
    await require_same_tables(warehouse)
    return todo


async def require_current(warehouse: Warehouse) -> None:
    """Raise SchemaError unless every migration is applied."""
    if todo := await pending(warehouse):
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
