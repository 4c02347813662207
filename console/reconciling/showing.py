"""How far a run is: a progress bar on a terminal, else a line of the log for every step."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from reconcile.progress import LoggedProgress, Progress


class ShownProgress:
    """Progress bars of one site.

    Args:
        bars: Where to show them.
        site: Name of the site in the settings.
    """

    def __init__(self, bars: Bars, site: str) -> None:
        self._bars = bars
        self._site = site
        self._tasks: dict[str, TaskID] = {}

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        """Move the step's bar."""
        total = max(done, expected) if expected else None
        self._bars.update(self._task(step), completed=done, total=total)

    def end(self, step: str, done: int) -> None:
        """Fill the step's bar."""
        self._bars.update(self._task(step), completed=done, total=done)

    def _task(self, step: str) -> TaskID:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(f"{self._site}: {step}", total=None)
        return self._tasks[step]


@contextmanager
def shown_progress(site: str) -> Iterator[Progress]:
    """Show the progress of a site's run on stderr."""
    if not sys.stderr.isatty():
        yield LoggedProgress(site)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield ShownProgress(bars, site)
