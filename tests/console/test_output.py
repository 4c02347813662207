"""What is printed harms neither a spreadsheet nor a terminal."""

import csv
import io
import json
import re
import sys
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from console.commands.report import by_weight
from console.commands.seats import THRESHOLDS, THRESHOLDS_FIRST
from console.output import OutputFormat, print_rows
from console.process import print_error

CSV = OutputFormat.CSV


def cell(value: object, capsys: pytest.CaptureFixture[str]) -> str:
    print_rows([{"a": value}], ["a"], CSV)
    [_, [written]] = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    return written


@pytest.mark.parametrize(
    "blank", ["", " ", "\t", "\r", "\n", "\x00", "\u00a0", "\u200b", "\ufeff", "\u2028", "\x1b", " \n "]
)
@pytest.mark.parametrize("sign", [*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\ufe62"])
def test_no_text_is_a_formula(blank: str, sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{blank}{sign}HYPERLINK(1)"
    written = cell(text, capsys)
    assert written.startswith("'") or not blank.isprintable()
    for part in written.replace("\r", "\n").replace("\u2028", "\n").replace("\t", "\n").split("\n"):
        assert not part.strip().startswith(sign), written
    assert written.replace("'", "") == text.replace("\r", "\n")


@pytest.mark.parametrize("end", [";", "; ", "|", "\t", "\n", "\r\n", ";\u00a0"])
def test_nor_behind_what_may_end_a_cell(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = cell(f"Ann{end}=HYPERLINK(1)", capsys)
    assert "'" in written
    assert f"{end}=" not in written


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Ann-Lee; Bo", "Ann-Lee; Bo"),
        (-5, "-5"),
        (None, ""),
        (["a", "b"], "a, b"),
        (["=a"], "'=a"),
        ("O'Neil", "O'Neil"),
        ("", ""),
    ],
)
def test_other_values_stay_as_they_are(value: object, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cell(value, capsys) == shown


@pytest.mark.parametrize("form", [OutputFormat.TABLE, OutputFormat.CSV, OutputFormat.JSON])
def test_nothing_writes_to_a_terminal(
    form: OutputFormat, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if form is not OutputFormat.JSON:  # which is written as bytes
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    name = "a\x1b[2J\x9b"
    print_rows(
        [{name if form is OutputFormat.TABLE else "a": "b\x1b[2J\u202e\x9b"}],
        [name if form is OutputFormat.TABLE else "a"],
        form,
    )
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    if form is not OutputFormat.JSON:
        assert "\u202e" not in shown
        assert "b\\u001b[2J" in shown


@pytest.mark.parametrize(
    "odd", ["\u009b31m", "\u009d0;x\u009c", "\u202e", "\u2066", "\x7f", "\u2028", "\U000e0041", "\ud7ff"]
)
def test_json_is_the_same_on_a_terminal_and_harmless(
    odd: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_rows([{"a": f"Ann{odd}", "b": 1}], ["a", "b"], OutputFormat.JSON)
    written = capsys.readouterr().out
    assert written.removesuffix("\n").isprintable()
    assert json.loads(written) == [{"a": f"Ann{odd}", "b": 1}]


def test_nor_does_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("one\x1b[2J\ntwo")
    assert capsys.readouterr().err == "rollcall: one\\u001b[2J\ntwo\n"


def test_a_terminal_shows_the_most_telling_columns_that_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wide signs, signs that a name may write with and a name longer than any column: no line is wider than asked."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    at = datetime(2026, 11, 27, 9, 30, 59, 1000, UTC)
    names = ["Ann", "\u6f22\u5b57" * 8, "Bo\x1b[2J", "x" * 10_000]
    rows = [{"id": "i" * 60, "why": "", "name": name, "at": at, "last": None, "many": ["a", "b"]} for name in names]
    for width in (40, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        print_rows(rows, list(rows[0]), OutputFormat.TABLE, ["name", "at", "many", "last", "why", "id"])
        shown = capsys.readouterr()
        lines = re.sub("\x1b\\[[01]m", "", shown.out).splitlines()  # the bold of the header
        assert max(map(cell_len, lines)) <= width
        assert "\x1b" not in "".join(lines)
        assert "Ann" in shown.out
        assert ("2026-11-27" in shown.out and "09:30Z" in shown.out) == (width > 40)
        assert ("not shown for want of room" in shown.err) == (width < 120)
    assert "at, many, last, why, id; --format csv" not in shown.err


def test_a_pipe_gets_tabs_and_a_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "a\tb\nc", "many": ["x", "y"], "on": True, "none": None}]
    print_rows(rows, ["name", "many", "on", "none"], OutputFormat.TABLE, ["on"])
    assert capsys.readouterr().out == "name\tmany\ton\tnone\na\\u0009b\\u000ac\tx, y\tyes\t\n"


def test_money_stands_beside_each_threshold_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    row = {"site": "acme", "days": 90, "reached": 300, "returned": 100, "share": 1 / 3, "idle_now": 1234}
    row |= {"reclaimable": 1200, "unseen": 20, "savings": ["USD 1125.40 a month", "EUR 9500.00 a year"]}
    print_rows([row], THRESHOLDS, OutputFormat.TABLE, by_weight([row], THRESHOLDS, THRESHOLDS_FIRST))
    shown = re.sub("\x1b\\[[01]m", "", capsys.readouterr().out)  # the bold of the header
    assert max(map(len, shown.splitlines())) <= 80
    assert "0.3333 " in shown
    assert "1125.40" in shown
    assert "1200" in shown
