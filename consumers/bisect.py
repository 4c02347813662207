"""Insert a batch although one of its rows may be refused: halve it until the bad row stands alone."""

from collections.abc import Sequence

from consumers.writer import Poison
from rollcall.eventlog import Entry
from rollcall.warehouse import RefusedRowsError, Warehouse


async def insert_all(warehouse: Warehouse, table: str, rows: Sequence[tuple[Entry, bytes]]) -> list[Poison]:
    """Insert rows, each with the entry it came from.

    Returns:
        The entries whose rows the engine refuses.

    Raises:
        WarehouseUnavailableError: Insert them all again; what is in already does no harm.
    """
    if not rows:
        return []
    try:
        await warehouse.insert_lines(table, [line for _, line in rows])
    except RefusedRowsError as error:
        if len(rows) == 1:
            return [Poison(rows[0][0], "refused_row", f"the warehouse refuses this record: {error}")]
        middle = len(rows) // 2
        left = await insert_all(warehouse, table, rows[:middle])
        return left + await insert_all(warehouse, table, rows[middle:])
    return []
