"""Where the tables differ from what the migrations make: somebody altered them, or restored something else."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rollcall.errors import SchemaError
from rollcall.logs import logger
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.expected import Column, Shape, actual_shapes, expected_shapes
from rollcall.warehouse.rewriting import rewritten

log = logger(__name__)


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
        WarehouseUnavailableError: The engine cannot be asked.
    """
    expected = {name: shape for name, shape in expected_shapes().items() if name not in unseen}
    actual = await actual_shapes(warehouse)
    pairs = [(name, wanted, actual.get(name)) for name, wanted in expected.items()]
    differing = {text for _, wanted, found in pairs if found for text in wanted.texts ^ found.texts}
    written = await rewritten(warehouse, sorted(differing))
    return [
        difference
        for name, wanted, found in pairs
        for difference in _compared(name, wanted.with_texts(written), found and found.with_texts(written))
    ]


async def require_shape(warehouse: Warehouse) -> None:
    """Refuse to write into tables that differ in a way that does harm; warn of other differences.

    Raises:
        SchemaError: They differ; the text names each table and column.
        WarehouseUnavailableError: The engine cannot be asked.
    """
    differences = await drift(warehouse)
    if harmful := [str(one) for one in differences if one.harmful]:
        raise SchemaError(
            f"the warehouse is not as the migrations made it: {'; '.join(harmful)}. Undo the change, or restore a "
            "backup; nothing is written meanwhile, and the log keeps what comes"
        )
    for one in differences:
        log.warning("the warehouse is not as the migrations made it", where=one.where, what=one.what)


def _compared(name: str, wanted: Shape, found: Shape | None) -> Iterator[Difference]:
    harmful = not wanted.is_view
    if found is None:
        yield Difference(name, "is missing", harmful)
        return
    for what in ("engine", "key", "partition", "target"):
        was, now = getattr(wanted, what), getattr(found, what)
        if was != now:
            yield Difference(name, f"has the {what} {now or 'none'} instead of {was or 'none'}", harmful)
    if found.ttl and not wanted.ttl:
        yield Difference(name, "has a TTL, which deletes what it holds", harmful)
    if found.select != wanted.select:
        yield Difference(name, "has another SELECT", harmful)
    columns = {column.name: column for column in found.columns}
    for column in wanted.columns:
        where, there = f"{name}.{column.name}", columns.pop(column.name, None)
        if there is None:
            yield Difference(where, "is missing", harmful)
        elif wanted.types_are_ours and there != column:
            yield Difference(where, f"is {_said(there)} instead of {_said(column)}", harmful)
        elif wanted.values.get(column.name) != found.values.get(column.name):
            yield Difference(where, "is computed from something else", harmful)
    for extra in columns:
        yield Difference(f"{name}.{extra}", "is not of Rollcall", False)


def _said(column: Column) -> str:
    return f"{column.type} {column.kind}".strip()
