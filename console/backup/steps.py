"""How far a backup or a restore has come: bars on a terminal, a line a step elsewhere; and its end at a signal."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")


class _InterruptedError(Exception):
    """Ends the work of a thread."""


class Steps:
    """Shows on stderr the steps of a backup or a restore, and runs those that wait for the disk.

    Args:
        bars: Bars to advance, on a terminal.
    """

    def __init__(self, bars: Progress | None = None) -> None:
        self._bars = bars
        self._stop = threading.Event()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a step for as long as the block runs; what it gives is called with how much more is done.

        Args:
            name: What is done, in words.
            total: How much there is to do; None where that is not known.
        """
        if self._bars is None:
            print(f"rollcall: {name}{f', {decimal(total)}' if total else ''}", file=sys.stderr, flush=True)
            yield self._look
            return
        task = self._bars.add_task(name, total=total)

        def advance(more: int) -> None:
            self._look(more)
            self._bars.advance(task, more)  # type: ignore[union-attr]

        yield advance
        self._bars.update(task, total=total or 1, completed=total or 1)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run in a thread what calls a step; cancelled, it ends at the next call, before this raises."""
        work = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait({work})
            work.exception()
            raise

    def _look(self, _: int) -> None:
        if self._stop.is_set():
            raise _InterruptedError


@asynccontextmanager
async def shown_steps() -> AsyncIterator[Steps]:
    """Show steps while the block runs; SIGTERM, SIGHUP and Ctrl-C cancel it, so that nothing half is left."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task  # noqa: S101 - this is one
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, task.cancel)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=Console(stderr=True)) if sys.stderr.isatty() else None
    with bars or nullcontext():
        yield Steps(bars)
