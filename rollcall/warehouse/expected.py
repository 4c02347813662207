"""The tables as the migrations of this version make them, kept as ``schema/expected.json``.

`make schema` writes it anew; a test notices when that was forgotten.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

import msgspec

from rollcall.warehouse.client import Row, Warehouse
from rollcall.warehouse.statements import engine_of, has_ttl, target_of, unqualified

_NAME = "expected.json"


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column; `kind` is empty, or ``MATERIALIZED`` and the like."""

    name: str
    type: str
    kind: str = ""


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes a table the table that it has to be.

    Attributes:
        engine: With its arguments; without what replication puts before it and them.
        key: Its sorting key, which is also the identity of its rows.
        partition: Its partition key.
        ttl: Whether something in it goes away by itself.
        target: Of a materialized view, the table that it writes to.
        select: Of a view, what it reads.
        columns: Its columns.
        values: What columns are computed from that have a `kind`, by their names.
    """

    engine: str
    key: str = ""
    partition: str = ""
    ttl: bool = False
    target: str = ""
    select: str = ""
    columns: tuple[Column, ...] = ()
    values: dict[str, str] = {}

    @property
    def is_view(self) -> bool:
        """Whether nothing is kept in it and nothing written through it: the reports."""
        return self.engine == "View"

    @property
    def types_are_ours(self) -> bool:
        """Whether the migration names the types; those of a view's columns vary with the engine's version."""
        return not self.engine.endswith("View")

    @property
    def texts(self) -> frozenset[str]:
        """Its SQL, which versions of the engine write differently."""
        return frozenset(text for text in (self.select, *self.values.values()) if text)

    def with_texts(self, written: Mapping[str, str]) -> "Shape":
        """Return it with other words for some of `texts`."""
        return msgspec.structs.replace(
            self,
            select=written.get(self.select, self.select),
            values={name: written.get(value, value) for name, value in self.values.items()},
        )


def expected_shapes() -> dict[str, Shape]:
    """Return the shapes that the migrations of this version make."""
    text = resources.files("rollcall.warehouse").joinpath("schema", _NAME).read_bytes()
    return msgspec.json.decode(text, type=dict[str, Shape])


async def actual_shapes(warehouse: Warehouse) -> dict[str, Shape]:
    """Return the shapes that are there. Raises WarehouseUnavailableError."""
    tables = await warehouse.query(
        "SELECT database, name, engine, engine_full, create_table_query, as_select, sorting_key, partition_key "
        "FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    )
    columns = await warehouse.query(
        "SELECT table, name, type, default_kind, default_expression FROM system.columns "
        "WHERE database = currentDatabase() ORDER BY table, position"
    )
    found: dict[str, list[Row]] = {}
    for row in columns:
        found.setdefault(row["table"], []).append(row)
    return {row["name"]: _shape(row, found.get(row["name"], [])) for row in tables}


def _shape(table: Row, columns: Sequence[Row]) -> Shape:
    engine, statement = table["engine"], unqualified(table["create_table_query"], table["database"])
    return Shape(
        engine=engine_of(engine, table["engine_full"]),
        key=table["sorting_key"],
        partition=table["partition_key"],
        ttl=has_ttl(statement),
        target=target_of(statement) if engine == "MaterializedView" else "",
        select=unqualified(table["as_select"], table["database"]),
        columns=tuple(Column(row["name"], row["type"], row["default_kind"]) for row in columns),
        values={row["name"]: row["default_expression"] for row in columns if row["default_expression"]},
    )


def written(shapes: dict[str, Shape]) -> bytes:
    """Return the text of the file."""
    lines = (msgspec.json.encode(name) + b": " + msgspec.json.encode(shape) for name, shape in shapes.items())
    return b"{\n" + b",\n".join(lines) + b"\n}\n"
