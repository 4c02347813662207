"""How a process stops: signals ask for it, and what is under way gets to finish."""

import asyncio
import signal
from contextlib import suppress

from rollcall.logs import logger

log = logger(__name__)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and SIGHUP set. Must be called inside the running loop.

    SIGHUP is a terminal that was closed. Where it is ignored already (`nohup`), it stays so.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    return stop


async def first_to_end(stop: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Wait until one of the tasks ends or `stop` is set, then see that `stop` is set."""
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    stop.set()


async def finish(task: "asyncio.Task[None]", seconds: float, what: str) -> None:
    """Wait for a task that was asked to stop; after some seconds cancel it.

    Raises:
        Exception: Whatever the task ended with.
    """
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        log.warning("cut short at the stop; it goes on after the next start", what=what)
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
