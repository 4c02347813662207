"""The tables that are transferred, and a span of one in the order of its key: what one file holds.

The rollups of days are not among them: an import computes them again from the facts. What a day's run counted is.
"""

from dataclasses import dataclass

import msgspec

from rollcall.warehouse.expected_schema import Shape, expected_shapes

_NAMES = (
    "sites",
    "activity",
    "activity_sources",
    "account_types",
    "issue_projects",
    "directory_users",
    "directory_licenses",
    "directory_roles",
    "directory_seats",
    "directory_projects",
    "directory_grants",
    "directory_looked",
    "directory_added",
    "directory_days_read",
    "seat_day_counts",
    # Last: rows of a snapshot count as soon as it stands here.
    "directory_snapshots",
)


@dataclass(frozen=True, slots=True)
class TransferTable:
    """A table that is transferred.

    Attributes:
        name: Its name.
        key: The columns that identify a row, each with its type.
        columns: All physical columns.
        given: Those of them that an insert gives; the others are computed from these.
    """

    name: str
    key: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def key_names(self) -> str:
        """The key's columns, as in ORDER BY."""
        return ", ".join(name for name, _ in self.key)

    @property
    def digest(self) -> str:
        """Expressions that tell a set of rows from any other: how many, and a sum over all columns of all rows."""
        return f"count() AS rows, sum(sipHash64(toString(tuple({', '.join(self.columns)})))) AS digest"


def transfer_tables() -> tuple[TransferTable, ...]:
    """Return the tables in the order in which they are transferred."""
    shapes = expected_shapes()
    return tuple(_transfer_table(name, shapes[name]) for name in _NAMES)


def _transfer_table(name: str, shape: Shape) -> TransferTable:
    types = {column.name: column.type for column in shape.columns}
    return TransferTable(
        name=name,
        key=tuple((column, types[column]) for column in shape.key.split(", ")),
        columns=tuple(types),
        given=tuple(column.name for column in shape.columns if column.kind != "MATERIALIZED"),
    )


Key = tuple[str, ...]
"""Values of a key's columns, as text."""


class Span(msgspec.Struct, frozen=True):
    """Rows after one key, up to and with another; None for the table's beginning or end."""

    after: Key | None = None
    upto: Key | None = None

    def condition(self, table: TransferTable) -> str:
        """Return the WHERE condition, with placeholders that `parameters` fills.

        Spelt out column by column, so that the engine reads only this span: it does not use its index for a
        comparison of tuples.
        """
        parts = []
        if self.after is not None:
            parts.append(_beyond(table, ">", "after", strict=True))
        if self.upto is not None:
            parts.append(_beyond(table, "<", "upto", strict=False))
        return " AND ".join(parts) or "1"

    def parameters(self) -> dict[str, str]:
        """Return the values of the condition's placeholders."""
        ends = {"after": self.after or (), "upto": self.upto or ()}
        return {f"{end}_{n}": value for end, key in ends.items() for n, value in enumerate(key)}


def _beyond(table: TransferTable, sign: str, end: str, *, strict: bool) -> str:
    values = [(name, f"CAST({{{end}_{n}:String}}, '{_quoted(kind)}')") for n, (name, kind) in enumerate(table.key)]
    last = len(values) - 1
    ways = []
    for n, (name, value) in enumerate(values):
        equal = [f"{before} = {its}" for before, its in values[:n]]
        ways.append(" AND ".join([*equal, f"{name} {sign}{'' if strict or n < last else '='} {value}"]))
    return "(" + " OR ".join(f"({way})" for way in ways) + ")"


def _quoted(kind: str) -> str:
    return kind.replace("'", "\\'")
