"""Whether the warehouse is as it must be before anything is written: its tables, and the settings inserts run under.

Tables differ from what the migrations make where somebody altered them, or restored something else. A server's profile
may forbid settings or hold them at other values.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from clickhouse_connect.driver.exceptions import ProgrammingError

from rollcall.errors import SchemaError, SettingsError, WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.warehouse.client import WRITE_SETTINGS, Warehouse
from rollcall.warehouse.expected_schema import Column, Shape, actual_shapes, expected_shapes

log = logger(__name__)

_FORBIDDEN = frozenset({115, 164, 452})
"""ClickHouse error codes of a setting that is unknown, read-only, or outside of a constraint."""

_WHY = {
    "async_insert": "an answered insert would be in the server's memory, and a crash would lose it",
    "insert_deduplicate": "an insert equal to an earlier one would be dropped without an error",
    "max_partitions_per_insert_block": "a batch with facts of many months would be refused",
}


async def verify_insert_settings(warehouse: Warehouse) -> None:
    """Read back what inserts of this connection run under.

    Raises:
        SettingsError: The server does not take or does not follow a setting; the text names it.
        WarehouseUnavailableError: The engine does not answer a query.
    """
    try:
        rows = await warehouse.query(
            "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}",
            {"names": list(WRITE_SETTINGS)},
        )
    except WarehouseUnavailableError as error:
        cause = error.__cause__
        if isinstance(cause, ProgrammingError) or getattr(cause, "code", None) in _FORBIDDEN:
            for name in WRITE_SETTINGS:
                if name in str(cause):
                    raise SettingsError(_complaint(name, "does not let us set it")) from error
        raise
    effective = {row["name"]: row["value"] for row in rows}
    for name, needed in WRITE_SETTINGS.items():
        if (found := effective.get(name)) != str(needed):
            raise SettingsError(_complaint(name, f"holds it at {found}" if found else "does not tell its value"))


def _complaint(name: str, what: str) -> str:
    return (
        f"warehouse_url: the server {what}: {name} must be {WRITE_SETTINGS[name]}, or {_WHY[name]}. "
        "Change the profile of the user that Rollcall comes as; docs/clickhouse.md has one that works"
    )


_UNKNOWN_FUNCTION = 46
"""ClickHouse's error code; the SQL door's too, which lets nobody call these functions."""


async def formatted_by_engine(warehouse: Warehouse, texts: Iterable[str]) -> dict[str, str]:
    """Return how the engine writes queries and expressions; where it cannot say, they stay as they are.

    Args:
        warehouse: Whose engine is queried, one text at a time: they travel in the URL.
        texts: Each a SELECT or an expression.

    Raises:
        WarehouseUnavailableError: The engine does not answer a query.
    """
    written = {}
    for text in texts:
        try:
            [row] = await warehouse.query(
                "SELECT coalesce(formatQuerySingleLineOrNull({text:String}), "
                "formatQuerySingleLineOrNull(concat('SELECT ', {text:String})), {text:String}) AS written",
                {"text": text},
            )
        except WarehouseUnavailableError as error:
            if getattr(error.__cause__, "code", None) != _UNKNOWN_FUNCTION:
                raise
            row = {"written": text}
        written[text] = row["written"]
    return written


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the migrations made it.

    Attributes:
        where: The table or view, with the column if it is about one, as ``activity.site``.
        what: What is the matter.
        harmful: Whether facts could be lost or counted wrongly: then nothing may be written.
    """

    where: str
    what: str
    harmful: bool

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


async def drift(warehouse: Warehouse, *, unseen: Collection[str] = ()) -> list[Difference]:
    """Compare the tables and views with what the migrations of this version make.

    Args:
        warehouse: Where; every migration must be applied.
        unseen: Tables that cannot be seen from here.

    Raises:
        WarehouseUnavailableError: The engine does not answer a query.
    """
    expected = {name: shape for name, shape in expected_shapes().items() if name not in unseen}
    actual = await actual_shapes(warehouse)
    pairs = [(name, shape, actual.get(name)) for name, shape in expected.items()]
    differing = {text for _, shape, found in pairs if found for text in shape.texts ^ found.texts}
    written = await formatted_by_engine(warehouse, sorted(differing))
    return [
        difference
        for name, shape, found in pairs
        for difference in _compared(name, shape.with_texts(written), found and found.with_texts(written))
    ]


async def require_no_drift(warehouse: Warehouse) -> None:
    """Refuse to write into tables that differ in a way that does harm; warn of other differences.

    Raises:
        SchemaError: They differ; the text names each table and column.
        WarehouseUnavailableError: The engine does not answer a query.
    """
    differences = await drift(warehouse)
    if harmful := [str(one) for one in differences if one.harmful]:
        raise SchemaError(
            f"the warehouse is not as the migrations made it: {'; '.join(harmful)}. Undo the change, or restore a "
            "backup; nothing is written meanwhile, and the log keeps what comes"
        )
    for one in differences:
        log.warning("the warehouse is not as the migrations made it", where=one.where, what=one.what)


def _compared(name: str, expected: Shape, found: Shape | None) -> Iterator[Difference]:
    harmful = not expected.is_view
    if found is None:
        yield Difference(name, "is missing", harmful)
        return
    for what in ("engine", "key", "partition", "target"):
        was, now = getattr(expected, what), getattr(found, what)
        if was != now:
            yield Difference(name, f"has the {what} {now or 'none'} instead of {was or 'none'}", harmful)
    if found.ttl and not expected.ttl:
        yield Difference(name, "has a TTL, which deletes what it holds", harmful)
    if found.select != expected.select:
        yield Difference(name, "has another SELECT", harmful)
    columns = {column.name: column for column in found.columns}
    for column in expected.columns:
        where, there = f"{name}.{column.name}", columns.pop(column.name, None)
        if there is None:
            yield Difference(where, "is missing", harmful)
        elif expected.types_are_ours and there != column:
            yield Difference(where, f"is {_said(there)} instead of {_said(column)}", harmful)
        elif expected.values.get(column.name) != found.values.get(column.name):
            yield Difference(where, "is computed from something else", harmful)
    for extra in columns:
        yield Difference(f"{name}.{extra}", "is not of Rollcall", False)


def _said(column: Column) -> str:
    return f"{column.type} {column.kind}".strip()
