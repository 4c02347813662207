"""How far a transfer has come: a bar a table on a terminal, lines elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn


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
