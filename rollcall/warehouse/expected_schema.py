"""The tables as the migrations of this version make them, stored as ``schema/expected.json``.

``python -m rollcall.warehouse.expected_schema FILE`` writes it anew from a scratch chDB; a test notices when that was
forgotten.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import resources

import msgspec

from rollcall.warehouse.client import Row, Warehouse

_STRING = r"'(?:[^'\\]|\\.)*'"
_QUOTED = re.compile(rf"{_STRING}|`(?:[^`\\]|\\.)*`")
_PLACED = re.compile(r"^(?:Replicated|Shared)(?=\w*MergeTree)")
_ARGUMENTS = re.compile(rf"^\w*MergeTree\((?:{_STRING}, {_STRING}(?:, |(?=\))))?((?:[^()]|\([^()]*\))*)\)")
_TARGET = re.compile(r" ((?:REFRESH .*)?TO \S+)")


def engine_of(engine: str, full: str) -> str:
    """Return an engine with its arguments, such as ``ReplacingMergeTree(version)``.

    Left out is what replication adds: the word before the name, and path and replica before the arguments.

    Args:
        engine: Its name.
        full: What comes after ``ENGINE =``.
    """
    found = _ARGUMENTS.match(full)
    return _PLACED.sub("", engine) + (f"({found[1]})" if found and found[1] else "")


def target_of(statement: str) -> str:
    """Return the table that a materialized view's CREATE names, after ``REFRESH … TO`` if it waits for that."""
    found = _TARGET.search(re.split(r" \(| AS ", statement, maxsplit=1)[0])
    return found[1].removeprefix("TO ") if found else ""


def has_ttl(statement: str) -> bool:
    """Whether a table's CREATE says when rows, or values of a column, go away."""
    return bool(re.search(r"\bTTL\b", _QUOTED.sub("", statement)))


def unqualified(text: str, database: str) -> str:
    """Return SQL with the tables of a database named as from inside it."""
    name = re.escape(database)
    return re.sub(rf"\b(FROM|JOIN|IN|TO) (?:{name}|`{name}`)\.", r"\1 ", text)


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
        """Whether nothing is stored in it and nothing written through it: the reports."""
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
