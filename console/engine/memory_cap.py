"""One cap for the memory of all queries of the doors together: beyond it the largest is ended."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from rollcall.errors import RollcallError
from rollcall.logs import logger
from rollcall.warehouse import Warehouse

log = logger(__name__)

_LOOK_SECONDS = 0.2

_QUERIES = (
    "SELECT query_id, memory_usage FROM system.processes WHERE Settings['readonly'] = '1' AND NOT is_cancelled "
    "ORDER BY memory_usage DESC"
)
"""Those of the doors: their connections alone are read-only."""


async def cap_memory(warehouse: Warehouse, most: int, under_way: Callable[[], bool], stop: asyncio.Event) -> None:
    """End the largest query whenever all of them hold more than they may; until `stop` is set.

    The engine has a cap of its own for each query. One for all that queries of its user hold would count the writer's.

    Args:
        warehouse: The warehouse that is queried.
        most: Bytes that all queries may hold.
        under_way: Tells whether there are any.
        stop: Ends it.
    """
    while not stop.is_set():
        if under_way():
            try:
                await _end_largest(warehouse, most)
            except RollcallError as error:
                log.warning("the memory of queries cannot be measured", cause=str(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await stop.wait()


async def _end_largest(warehouse: Warehouse, most: int) -> None:
    queries = await warehouse.query(_QUERIES)
    held = sum(query["memory_usage"] for query in queries)
    if held > most:
        log.warning("queries hold more memory than all together may, so the largest is ended", bytes=held)
        largest = {"id": queries[0]["query_id"]}
        await warehouse.command("KILL QUERY WHERE query_id = {id:String} ASYNC", largest)
