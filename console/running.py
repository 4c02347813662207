"""Work that goes on side by side, none of which ends unseen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rollcall.errors import RollcallError
from rollcall.logs import kind_and_place, logger

log = logger(__name__)

_AGAIN_SECONDS = 30.0


@asynccontextmanager
async def in_background(**endless: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run beside the block what never ends; cancel it when the block ends.

    What ends all the same is told in the log at once and begun again after a pause. Nothing of this kind is worth the
    webhooks that the end of the process would cost.

    Args:
        endless: Begins the work, by the name that the log has for it.
    """
    tasks = [asyncio.create_task(_kept_up(name, begin)) for name, begin in endless.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told_to_end() -> bool:
    """Return whether the current task was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def watched(name: str, part: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Begin work whose end is the end of the process; an end that nobody foresaw is told in the log at once.

    Whoever waits for the task gets its error only once everything else has stopped.
    """
    task = asyncio.create_task(part)
    task.add_done_callback(lambda ended: _tell(name, ended))
    return task


async def together(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run parts until the first of them ends; then set `stop` and wait for the others.

    Raises:
        Exception: What the first part that failed ended with.
    """
    tasks = [watched(getattr(part, "__name__", "a part"), part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def _kept_up(name: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        cause = "it returned"
        try:
            await begin()
        except asyncio.CancelledError as error:
            if told_to_end():
                raise
            cause = kind_and_place(error)
        except Exception as error:  # whatever it was, nobody else would see it
            cause = kind_and_place(error)
        log.error("ended unexpectedly, begins again", what=name, cause=cause, seconds=_AGAIN_SECONDS)
        await asyncio.sleep(_AGAIN_SECONDS)


def _tell(name: str, ended: "asyncio.Task[None]") -> None:
    error = None if ended.cancelled() else ended.exception()
    if error and not isinstance(error, RollcallError):
        log.error("ended unexpectedly, the process stops", what=name, cause=kind_and_place(error))
