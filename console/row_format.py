"""Rows as CSV and JSON, for reports and for the page's exports alike.

What a value is as text stands here, and what no cell of a spreadsheet may be.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from rollcall.clock import iso

Row = Mapping[str, Any]

_FORMULA = "=+-@"
"""First characters that spreadsheets take as the start of a formula (OWASP, CSV injection)."""

_NEW_CELLS = re.compile("([;|\t\n\v\f\r\x85\u2028\u2029])")
"""What may end a cell too, where a spreadsheet splits at another sign than the comma."""

JSON = msgspec.json.Encoder(decimal_format="number")
"""Money is a number, digit by digit as it was computed."""


def plain(value: Any) -> Any:
    """Return a value with moments and days written as text, ISO 8601, moments in UTC."""
    if isinstance(value, datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, date) else value


def words(value: Any) -> str:
    """Return a value as people read it in a cell; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def csv_lines(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """Return rows as CSV, line by line with the columns' names first; no cell of it is taken for a formula.

    Args:
        rows: The rows, their times written as text already.
        columns: What to write, in order.
    """
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    writer.writerow(columns)
    yield line.text
    for row in rows:
        writer.writerow([guarded_cell(row[name]) for name in columns])
        yield line.text


class _Line:
    """A file that has what was written last."""

    text = ""

    def write(self, text: str) -> None:
        """Take a line."""
        self.text = text


def blocks(parts: Iterable[bytes], size: int = 65_536) -> Iterator[bytes]:
    """Join small parts into blocks of at least some bytes: each is a step of whoever sends them."""
    block = bytearray()
    for part in parts:
        block += part
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def json_parts(rows: Iterable[Row]) -> Iterator[bytes]:
    """Return rows, their times written as text already, as one array of JSON, row by row."""
    before = b"["
    for row in rows:
        yield before + JSON.encode(row)
        before = b","
    yield b"]\n" if before == b"," else b"[]\n"


def guarded_cell(value: Any) -> Any:
    """Keep a name that looks like a formula a name: spreadsheets take a leading apostrophe as "this is text".

    Also behind a sign at which one may split.
    """
    text = words(value)
    if not isinstance(value, str | list):
        return text
    text = text.replace("\r\n", "\n").replace(
        "\r", "\n"
    )  # else the module csv leaves it bare, and a row would end there
    first, *rest = _NEW_CELLS.split(text)
    odd = bool(text) and unicodedata.category(text[0]) in ("Cc", "Zl", "Zp")
    return "".join(("'" if odd or _is_formula(first) else "", first, *(_as_text(part) for part in rest)))


def _as_text(part: str) -> str:
    return f"'{part}" if _is_formula(part) else part


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may take it for one: blanks and what is not seen before the sign are passed over."""
    start = next((char for char in text if char != "'" and unicodedata.category(char)[0] not in "ZC"), "")
    return not text.startswith("'") and unicodedata.normalize("NFKC", start)[:1] in tuple(_FORMULA)
