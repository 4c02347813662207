"""The tables as the migrations of this version make them, kept as ``schema/expected.json``.

``python -m rollcall.warehouse.expected FILE`` writes it anew from a scratch chDB; a test notices when that was
forgotten.
"""

import asyncio
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

import msgspec

from rollcall.warehouse.client import Warehouse, open_warehouse
from rollcall.warehouse.migrations import migrate

_NAME = "expected.json"
_PLACED = re.compile(r"^(Replicated|Shared)(?=\w*MergeTree)")


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column; `kind` is empty, or ``MATERIALIZED`` and the like."""

    name: str
    type: str
    kind: str = ""


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes a table the table that it has to be.

    Attributes:
        engine: Without what replication puts before it.
        key: Its sorting key, which is also the identity of its rows.
        partition: Its partition key.
        columns: Its columns.
    """

    engine: str
    key: str = ""
    partition: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def is_view(self) -> bool:
        """Whether nothing is kept in it and nothing written through it: the reports."""
        return self.engine == "View"

    @property
    def types_are_ours(self) -> bool:
        """Whether the migration names the types; those of a view's columns vary with the engine's version."""
        return not self.engine.endswith("View")


def expected_shapes() -> dict[str, Shape]:
    """Return the shapes that the migrations of this version make."""
    text = resources.files("rollcall.warehouse").joinpath("schema", _NAME).read_bytes()
    return msgspec.json.decode(text, type=dict[str, Shape])


async def actual_shapes(warehouse: Warehouse) -> dict[str, Shape]:
    """Return the shapes that are there. Raises WarehouseUnavailableError."""
    tables = await warehouse.query(
        "SELECT name, engine, sorting_key, partition_key FROM system.tables WHERE database = currentDatabase()"
    )
    columns = await warehouse.query(
        "SELECT table, name, type, default_kind FROM system.columns WHERE database = currentDatabase() "
        "ORDER BY table, position"
    )
    found: dict[str, list[Column]] = {}
    for row in columns:
        found.setdefault(row["table"], []).append(Column(row["name"], row["type"], row["default_kind"]))
    return {
        row["name"]: Shape(
            engine=_PLACED.sub("", row["engine"]),
            key=row["sorting_key"],
            partition=row["partition_key"],
            columns=tuple(found.get(row["name"], [])),
        )
        for row in sorted(tables, key=lambda row: str(row["name"]))
    }


def written(shapes: dict[str, Shape]) -> bytes:
    """Return the text of the file."""
    lines = (msgspec.json.encode(name) + b": " + msgspec.json.encode(shape) for name, shape in shapes.items())
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


async def _made() -> dict[str, Shape]:
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = await open_warehouse(f"chdb://{scratch}/warehouse", "expected")
        try:
            await migrate(warehouse)
            return await actual_shapes(warehouse)
        finally:
            await warehouse.close()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(written(asyncio.run(_made())))
