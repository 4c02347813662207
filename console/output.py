"""Output for people and for programs: rows as a table, JSON or CSV."""

import csv
import sys
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollcall.clock import iso

Row = Mapping[str, Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take as the start of a formula (OWASP, CSV injection)."""

_WIDTH_IN_A_FILE = 250
"""Columns of a table that no terminal shows: wide enough not to break ids."""


class OutputFormat(StrEnum):
    """How to print rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]


def print_rows(rows: Sequence[Row], columns: Sequence[str], form: OutputFormat) -> None:
    """Print rows to stdout, the given columns in order.

    JSON is one array of objects and nothing else; times are ISO 8601 in UTC.
    """
    shown = ({name: _plain(row[name]) for name in columns} for row in rows)
    if form is OutputFormat.JSON:
        sys.stdout.buffer.write(msgspec.json.encode(list(shown)) + b"\n")
        sys.stdout.buffer.flush()
    elif form is OutputFormat.CSV:
        _print_csv(shown, columns)
    else:
        _print_table(shown, columns)


def print_record(row: Row, columns: Sequence[str], form: OutputFormat) -> None:
    """Print one row to stdout: as lines of ``name: value``, none of them broken, so that a value can be copied."""
    if form is not OutputFormat.TABLE:
        print_rows([row], columns, form)
        return
    for name in columns:
        print(f"{name}: {_visible(_words(_plain(row[name])))}".rstrip())


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
            writer.writerow([_cell(_plain(row[name])) for name in columns])
        else:
            console.print(_one_row(row, columns, header=first))
        sys.stdout.flush()
        first = False


def _one_row(row: Row, columns: Mapping[str, int], *, header: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", expand=True, show_header=header, pad_edge=False)
    for name, ratio in columns.items():
        table.add_column(name, overflow="fold", ratio=ratio)
    table.add_row(*(Text(_visible(_words(_plain(row[name])))) for name in columns))
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_IN_A_FILE)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else value


def _print_csv(rows: Iterable[Row], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)


def _cell(value: Any) -> Any:
    """Keep a name that looks like a formula a name: spreadsheets take a leading apostrophe as "this is text"."""
    text = _words(value)
    return f"'{text}" if isinstance(value, str | list) and text.startswith(_FORMULA) else text


def _print_table(rows: Iterable[Row], columns: Sequence[str]) -> None:
    table = Table(header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_visible(_words(row[name]))) for name in columns))
    _console().print(table)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _visible(text: str) -> str:
    """Show control characters as such: a name must not be able to write to the terminal or turn its direction."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
