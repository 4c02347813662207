"""A stretch of a table in the order of its key: what one file holds."""

import msgspec

from console.moving.tables import Moved

Key = tuple[str, ...]
"""Values of a key's columns, as text."""


class Span(msgspec.Struct, frozen=True):
    """Rows after one key, up to and with another; None for the table's beginning or end."""

    after: Key | None = None
    upto: Key | None = None

    def condition(self, table: Moved) -> str:
        """Return the WHERE condition, with placeholders that `parameters` fills.

        Spelt out column by column, so that the engine reads only this stretch: it does not use its index for a
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


def _beyond(table: Moved, sign: str, end: str, *, strict: bool) -> str:
    values = [(name, f"CAST({{{end}_{n}:String}}, '{_quoted(kind)}')") for n, (name, kind) in enumerate(table.key)]
    last = len(values) - 1
    ways = []
    for n, (name, value) in enumerate(values):
        equal = [f"{before} = {its}" for before, its in values[:n]]
        ways.append(" AND ".join([*equal, f"{name} {sign}{'' if strict or n < last else '='} {value}"]))
    return "(" + " OR ".join(f"({way})" for way in ways) + ")"


def _quoted(kind: str) -> str:
    return kind.replace("'", "\\'")
