"""How far long work on an installation's files has come: bars on a terminal, lines elsewhere; its end at a signal."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

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
        bars = self._bars
        if bars is None:
            print(f"rollcall: {name}{f', {decimal(total)}' if total else ''}", file=sys.stderr, flush=True)
            yield self._look
            return
        task = bars.add_task(name, total=total)

        def advance(more: int) -> None:
            self._look(more)
            bars.advance(task, more)

        yield advance
        bars.update(task, total=total or 1, completed=total or 1)

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


class TransferProgress:
    """Shows on stderr what was transferred.

    Args:
        totals: Rows of each table, where they are known.
        bars: Bars to advance, on a terminal.
    """

    def __init__(self, totals: Mapping[str, int], bars: Progress | None = None) -> None:
        self._totals = totals
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._rows: dict[str, int] = {}

    def add(self, table: str, rows: int, how: str) -> None:
        """Count rows.

        Args:
            table: Whose.
            rows: How many more.
            how: What was done with them, such as ``exported``.
        """
        self._rows[table] = self._rows.get(table, 0) + rows
        total = self._totals.get(table)
        if self._bars is None:
            of = f" of {total}" if total is not None else ""
            print(f"rollcall: {table}: {self._rows[table]}{of} rows {how}", file=sys.stderr)
            return
        if table not in self._tasks:
            self._tasks[table] = self._bars.add_task(table, total=total)
        self._bars.advance(self._tasks[table], rows)


@contextmanager
def transfer_progress(totals: Mapping[str, int]) -> Iterator[TransferProgress]:
    """Show progress while the block runs."""
    if not sys.stderr.isatty():
        yield TransferProgress(totals)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield TransferProgress(totals, bars)
