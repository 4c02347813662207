"""The tables that are moved. The rollup is not among them: an import computes it again from the facts."""

from dataclasses import dataclass

from rollcall.warehouse.expected import Shape, expected_shapes

_NAMES = (
    "sites",
    "activity",
    "activity_sources",
    "directory_users",
    "directory_licenses",
    "directory_roles",
    "directory_seats",
    # Last: rows of a snapshot count as soon as it stands here.
    "directory_snapshots",
)


@dataclass(frozen=True, slots=True)
class Moved:
    """A table that is moved.

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


def moved_tables() -> tuple[Moved, ...]:
    """Return the tables in the order in which they are moved."""
    shapes = expected_shapes()
    return tuple(_moved(name, shapes[name]) for name in _NAMES)


def _moved(name: str, shape: Shape) -> Moved:
    types = {column.name: column.type for column in shape.columns}
    return Moved(
        name=name,
        key=tuple((column, types[column]) for column in shape.key.split(", ")),
        columns=tuple(types),
        given=tuple(column.name for column in shape.columns if column.kind != "MATERIALIZED"),
    )
