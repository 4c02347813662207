"""SQL as the engine at hand writes it: two versions write one query differently, and keep it as they wrote it."""

from collections.abc import Iterable

from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse.client import Warehouse

_UNKNOWN_FUNCTION = 46
"""ClickHouse's error code; the SQL door's too, which lets nobody call these functions."""


async def rewritten(warehouse: Warehouse, texts: Iterable[str]) -> dict[str, str]:
    """Return how the engine writes queries and expressions; where it cannot say, they stay as they are.

    Args:
        warehouse: Whose engine is asked, about one text at a time: they travel in the URL.
        texts: Each a SELECT or an expression.

    Raises:
        WarehouseUnavailableError: The engine cannot be asked.
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
