"""How far a run is, shown on a terminal and in a log."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from console.output import ProgressBars, progress_bars
from reconcile.progress import LoggedProgress


def test_a_bar_a_step_moves_and_fills() -> None:
    with Bars(console=Console(file=io.StringIO())) as bars:
        shown = ProgressBars(bars, "acme")
        shown.at("issues", 5, 10)
        shown.at("issues", 12, 10)
        shown.at("worklogs", 3)
        shown.end("issues", 12)
        first, second = bars.tasks
        assert (first.description, first.completed, first.total) == ("acme: issues", 12, 12)
        assert (second.description, second.completed, second.total) == ("acme: worklogs", 3, None)


def test_bars_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_bars("acme") as logged:
        assert isinstance(logged, LoggedProgress)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bars("acme") as shown:
        assert isinstance(shown, ProgressBars)
        shown.end("issues", 1)
