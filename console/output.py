"""Output for people and for programs: rows as a table, JSON or CSV, and on a terminal the progress bars of a run.

The bars are a run's steps, all of it with rate and time left, and what it waits for. Lines of the log go above them.
Where there is no terminal, there is a line of the log for every step instead.
"""

import csv
import json
import sys
import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from console.row_format import JSON, Row, guarded_cell, plain, words
from reconcile.progress import LoggedProgress, Progress
from reconcile.state.checkpoint import Part
from rollcall.logs import log_lines_to, printable

_WIDTH_IN_A_FILE = 250
"""Columns of a table that no terminal shows: wide enough not to break ids."""


_NARROW, _WIDE, _LONG_WORD = 11, 40, 30
"""Signs in a line of a terminal that a short text is given at least, a long one, and a word before it breaks."""


class OutputFormat(StrEnum):
    """How to print rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]


def print_rows(rows: Sequence[Row], columns: Sequence[str], form: OutputFormat, weight: Sequence[str] = ()) -> None:
    """Print rows to stdout, the given columns in order.

    JSON is one array of objects and nothing else; times are ISO 8601 in UTC. A table is drawn on a terminal; elsewhere
    it is a line a row with tabs between the cells, so that `cut` and `sort` read it.

    Args:
        rows: What to print.
        columns: Names of the columns.
        form: How.
        weight: The columns as a terminal has them, the most telling first: as many as fit side by side are shown, with
            times cut to the minute, and the others named on stderr. None for all columns, as they are.
    """
    if form is OutputFormat.TABLE and sys.stdout.isatty() and weight:
        _print_fitting(rows, weight)
        return
    shown = ({name: plain(row[name]) for name in columns} for row in rows)
    if form is OutputFormat.JSON:
        encoded = JSON.encode(list(shown))
        sys.stdout.buffer.write((_escaped(encoded) if sys.stdout.isatty() else encoded) + b"\n")
        sys.stdout.buffer.flush()
    elif form is OutputFormat.CSV:
        _print_csv(shown, columns)
    elif sys.stdout.isatty():
        _print_table(shown, columns)
    else:
        print("\t".join(map(printable, columns)))
        for row in shown:
            print("\t".join(printable(words(row[name])) for name in columns))


def _escaped(encoded: bytes) -> bytes:
    """Write what JSON leaves as it is and a terminal obeys, such as U+009B and turns of direction, as JSON escapes."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in encoded.decode()).encode()


def print_record(row: Row, columns: Sequence[str], form: OutputFormat) -> None:
    """Print one row to stdout: as lines of ``name: value``, none of them broken, so that a value can be copied."""
    if form is not OutputFormat.TABLE:
        print_rows([row], columns, form)
        return
    for name in columns:
        print(f"{name}: {printable(words(plain(row[name])))}".rstrip())


def print_payload(payload: bytes) -> None:
    """Print bytes to stdout as they are; on a terminal without what could write to it beside its lines."""
    if sys.stdout.isatty():
        text = payload.decode("utf-8", "backslashreplace")
        print("\n".join(map(printable, text.split("\n"))))
    else:
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()


async def print_rows_as_they_come(rows: AsyncIterable[Row], columns: Mapping[str, int], form: OutputFormat) -> None:
    """Print rows to stdout, each as soon as it is there; JSON is one array, and so comes at the end.

    Args:
        rows: The rows.
        columns: What to print, in order, and how wide each column is beside the others.
        form: How.
    """
    if form is OutputFormat.JSON:
        print_rows([row async for row in rows], [*columns], form)
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    console, first = _console(), True
    async for row in rows:
        if form is OutputFormat.CSV:
            writer.writerows([[*columns]] if first else [])
            writer.writerow([_cell(plain(row[name])) for name in columns])
        else:
            console.print(_one_row(row, columns, header=first))
        sys.stdout.flush()
        first = False


def _one_row(row: Row, columns: Mapping[str, int], *, header: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", expand=True, show_header=header, pad_edge=False)
    for name, ratio in columns.items():
        table.add_column(name, overflow="fold", ratio=ratio)
    table.add_row(*(Text(printable(words(plain(row[name])))) for name in columns))
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_IN_A_FILE)


def _print_csv(rows: Iterable[Row], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: Any) -> Any:
    """Guard a value, and on a terminal leave out what could write to it."""
    text = guarded_cell(value)
    return printable(text) if sys.stdout.isatty() and isinstance(value, str | list) else text


def _print_table(rows: Iterable[Row], columns: Sequence[str] | Mapping[str, int]) -> None:
    """Print a table; columns may have their widths beside them."""
    table = Table(header_style="bold")
    for name in columns:
        table.add_column(
            printable(name), overflow="fold", width=columns[name] if isinstance(columns, Mapping) else None
        )
    for row in rows:
        table.add_row(*(Text(printable(words(row[name]))) for name in columns))
    _console().print(table)


def _print_fitting(rows: Sequence[Row], weight: Sequence[str]) -> None:
    shown = [{name: _short(row[name]) for name in weight} for row in rows]
    left, widths = _console().width - 1, dict[str, int]()  # a column has a rule and two blanks, the table a rule more
    for name in weight:
        least = max([len(name), *(_least(row[name]) for row in shown)])
        if least + 3 > left and widths:
            break
        widths[name] = min(least, max(1, left - 3))
        left -= widths[name] + 3
    for name in widths:
        more = max(0, min(left, max((cell_len(row[name]) for row in shown), default=0) - widths[name]))
        widths[name] += more
        left -= more
    _print_table(shown, widths)
    if others := weight[len(widths) :]:
        print(f"not shown for want of room: {', '.join(others)}; --format csv, or a pipe, has all", file=sys.stderr)


def _least(text: str) -> int:
    """Return how wide a column has to be for a text: for its words, and for few lines."""
    size = cell_len(text)
    return max(
        min(size, _NARROW), min(size // 4, _WIDE), *(min(cell_len(word), _LONG_WORD) for word in text.split(" "))
    )


def _short(value: Any) -> str:
    """Return a cell of a terminal; what a name could write to it is escaped, so that its width is the one it gets."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(f"{value:%Y-%m-%d %H:%MZ}" if isinstance(value, datetime) else words(plain(value)))


WRITING, REBUILDING = "into the warehouse", "days rebuilt"
"""Steps of the command itself, after those of reading."""

_STEPS: dict[str, tuple[Part | None, int]] = {
    "users": ("directory", 6),
    "licenses": ("directory", 4),
    "roles": ("directory", 15),
    "issues": ("activity", 50),
    "worklogs": ("activity", 12),
    "deleted worklogs without an actor": ("activity", 3),
    WRITING: (None, 5),
    REBUILDING: (None, 5),
}
"""The steps of a run in order: the part that each belongs to, and about how much of the time it takes."""

_LEAST_SHARE = 0.02
"""Done before a time left is told: of less nothing can be concluded."""


class Overall:
    """How far the whole run is, and how fast.

    Args:
        parts: The halves of a run that it does.
        resumed: Whether an earlier life of the run did some of it: that says nothing about the speed.
        clock: Gives seconds.
    """

    def __init__(
        self, parts: Sequence[Part], *, resumed: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._weights = {step: weight for step, (part, weight) in _STEPS.items() if part is None or part in parts}
        self._resumed = resumed
        self._clock = clock
        self._begun = clock()
        self._done: dict[str, int] = {}
        self._shares: dict[str, float] = {}
        self._things = 0
        self._first_share: float | None = None if resumed else 0.0

    def at(self, step: str, done: int, share: float) -> None:
        """Note how far a step is: things done, and the share of the step, 0 where that is not known."""
        if step not in (WRITING, REBUILDING):
            before = self._done.get(step, done if self._resumed else 0)
            self._things += max(0, done - before)
            self._done[step] = done
        order = list(self._weights)
        if step in self._weights:
            # What comes later in a run is not begun before the earlier is done, maybe by an earlier life of the run.
            self._shares.update(dict.fromkeys(order[: order.index(step)], 1.0))
            self._shares[step] = max(share, self._shares.get(step, 0.0))
        if self._first_share is None:
            self._first_share = self.share

    @property
    def share(self) -> float:
        """Share of the whole run that is done, 0 to 1."""
        done = sum(self._weights[step] * share for step, share in self._shares.items())
        return done / sum(self._weights.values())

    @property
    def rate(self) -> float:
        """Things read a second: people, roles, issues and worklogs alike."""
        return self._things / max(0.001, self._clock() - self._begun)

    @property
    def seconds_left(self) -> float | None:
        """About how many seconds it will take from now on; None while nothing can be concluded."""
        gained = self.share - (self._first_share or 0.0)
        if gained < _LEAST_SHARE:
            return None
        return (self._clock() - self._begun) * (1.0 - self.share) / gained


class _Wait(NamedTuple):
    cause: str
    end: float


class _Amount(ProgressColumn):
    """How much is done: a count, or of the whole run its share, rate and time left."""

    def __init__(self, overall: Overall) -> None:
        super().__init__()
        self._overall = overall
        self._count = MofNCompleteColumn()
        self.waiting: Callable[[], float] = lambda: 0.0

    def render(self, task: Task) -> Text:
        """Return the text of a bar's row."""
        if not task.fields.get("whole"):
            return self._count.render(task)
        overall = self._overall
        left = overall.seconds_left
        if task.finished or left is None:
            return Text(f"{overall.share:.0%}, {overall.rate:,.0f}/s")
        return Text(f"{overall.share:.0%}, {overall.rate:,.0f}/s, about {_clock(max(left, self.waiting()))} left")


class _Bars(RichProgress):
    """Bars with a line below them."""

    below: Callable[[], str] = staticmethod(lambda: "")

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if line := self.below():
            yield Text(line, no_wrap=True, overflow="ellipsis")


class ProgressBars:
    """Progress bars of one site.

    Args:
        console: Where to show them.
        site: Name of the site in the settings.
        overall: How far the whole run is.
    """

    def __init__(self, console: Console, site: str, overall: Overall) -> None:
        amount = _Amount(overall)
        self.bars = _Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            amount,
            TimeElapsedColumn(),
            console=console,
        )
        self.bars.below = self._waits
        amount.waiting = self._wait_left
        self._overall = overall
        self._site = site
        self._tasks: dict[str, TaskID] = {}
        self._wait = _Wait("", 0.0)
        self._whole = self.bars.add_task(f"{site}: all", total=1.0, whole=True)

    def at(self, step: str, done: int, expected: int | None = None) -> None:
        """Move the step's bar."""
        total = max(done, expected) if expected else None
        self._move(step, done, total, done / total if total else 0.0)

    def end(self, step: str, done: int) -> None:
        """Fill the step's bar."""
        self._move(step, done, done, 1.0)

    def wait(self, cause: str, seconds: float) -> None:
        """Count a wait down; of several the one that ends last."""
        end = time.monotonic() + seconds
        if end > self._wait.end:
            self._wait = _Wait(cause, end)

    def _move(self, step: str, done: int, total: int | None, share: float) -> None:
        if step not in self._tasks:
            self._tasks[step] = self.bars.add_task(f"{self._site}: {step}", total=None)
        self.bars.update(self._tasks[step], completed=done, total=total)
        self._overall.at(step, done, share)
        self.bars.update(self._whole, completed=self._overall.share)

    def _wait_left(self) -> float:
        return max(0.0, self._wait.end - time.monotonic())

    def _waits(self) -> str:
        left = self._wait_left()
        return f"  {self._site}: waits {_clock(left)} for Jira ({self._wait.cause})" if left else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress_bars(site: str, parts: Sequence[Part], *, resumed: bool = False) -> Iterator[Progress]:
    """Show the progress of a site's run on stderr.

    Args:
        site: Name of the site in the settings.
        parts: The halves of a run that it does.
        resumed: Whether it goes on with an interrupted run.
    """
    if not sys.stderr.isatty():
        yield LoggedProgress(site)
        return
    console = Console(stderr=True)
    shown = ProgressBars(console, site, Overall(parts, resumed=resumed))

    def above(line: str) -> None:
        console.print(Text.from_ansi(line), soft_wrap=True)  # whole, however long it is

    with log_lines_to(above), shown.bars:
        yield shown
