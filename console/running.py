"""Work that goes on beside a process's main task."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def in_background(*endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines that never end beside the block; cancel them when it ends."""
    tasks = [asyncio.create_task(one) for one in endless]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
