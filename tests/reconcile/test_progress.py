"""How far a run is and what it waits for, shown on a terminal, in a log and on the page."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio.to_thread
import pytest
from rich.console import Console

from console.output import WRITING, Overall, ProgressBars, progress_bars
from reconcile.progress import LoggedProgress, NoticeProgress

from .commandline import write_config
from .site import config, jira_site

BOTH = ("directory", "activity")


def shown_bars() -> tuple[ProgressBars, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    return ProgressBars(console, "acme", Overall(("directory", "activity"))), out


def test_a_bar_a_step_moves_and_fills() -> None:
    shown, _ = shown_bars()
    with shown.bars as bars:
        shown.at("issues", 5, 10)
        shown.at("issues", 12, 10)
        shown.at("worklogs", 3)
        shown.end("issues", 12)
        _, first, second = bars.tasks
        assert (first.description, first.completed, first.total) == ("acme: issues", 12, 12)
        assert (second.description, second.completed, second.total) == ("acme: worklogs", 3, None)


def test_bars_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress_bars("acme", ("activity",)) as logged:
        assert isinstance(logged, LoggedProgress)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bars("acme", ("activity",)) as shown:
        assert isinstance(shown, ProgressBars)
        shown.end("issues", 1)


def test_the_whole_run_has_a_rate_and_a_time_left() -> None:
    now = 100.0
    overall = Overall(("activity",), clock=lambda: now)
    assert overall.seconds_left is None
    now = 110.0
    overall.at("issues", 500, 0.75)
    assert overall.rate == 50.0
    assert overall.share == 0.5  # of 75 the issues are 50
    assert overall.seconds_left == 10.0
    overall.at("worklogs", 10, 1.0)
    overall.at("deleted worklogs without an actor", 0, 1.0)
    overall.at(WRITING, 1, 1.0)
    overall.at("days rebuilt", 30, 1.0)
    assert (overall.share, overall.rate) == (1.0, 51.0)
    assert overall.seconds_left == pytest.approx(0.0)


def test_what_an_earlier_life_of_the_run_did_says_nothing_of_its_speed() -> None:
    now = 0.0
    overall = Overall(("activity",), resumed=True, clock=lambda: now)
    now = 10.0
    overall.at("issues", 9000, 0.75)
    assert (overall.rate, overall.seconds_left) == (0.0, None)
    now = 20.0
    overall.at("issues", 9200, 0.9)
    assert overall.rate == 10.0
    assert overall.seconds_left == pytest.approx(20.0 * 0.4 / 0.1)


def test_a_wait_is_counted_down_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, out = shown_bars()
    now = time.monotonic()
    monkeypatch.setattr("console.output.time.monotonic", lambda: now)
    with shown.bars as bars:
        shown.wait("Jira answers 429, jira-quota-global-based", 3725.0)
        shown.wait("Jira answers 503", 2.0)  # ends sooner: not what is waited for
        bars.refresh()
        assert "acme: waits 1:02:05 for Jira (Jira answers 429, jira-quota-global-based)" in out.getvalue()
        now += 3660.0
        bars.refresh()
        assert "acme: waits 1:05 for Jira" in out.getvalue()
        now += 65.0
        out.truncate(0)
        bars.refresh()
        assert "waits" not in out.getvalue()


def test_the_page_tells_of_a_long_wait() -> None:
    progress = NoticeProgress("acme")
    progress.at("issues", 50, 100)
    progress.wait("Jira answers 503", 5.0)
    assert progress.notice.text == "Reading acme from Jira: issues, 50 so far"
    progress.wait("Jira answers 429", 3600.0)
    assert re.fullmatch(r"Reading acme from Jira: waits until \d\d:\d\d UTC \(Jira answers 429\)", progress.notice.text)
    assert progress.notice.done == 0.5
    progress.at("issues", 60, 100)
    assert progress.notice.text == "Reading acme from Jira: issues, 60 so far"


class Screen:
    """The rows that a terminal shows, with all that scrolled away: enough of one for bars and lines of a log."""

    def __init__(self) -> None:
        self.rows = [""]
        self._row = 0

    def feed(self, text: str) -> None:
        for control, plain in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", text):
            if control == "\n":
                self._row += 1
                if self._row == len(self.rows):
                    self.rows.append("")
            elif control.endswith("A"):
                self._row -= int(control[2:-1] or 1)
            elif control == "\x1b[2K":
                self.rows[self._row] = ""
            elif plain:
                self.rows[self._row] += plain


def on_a_terminal(path: Path) -> tuple[int, str]:
    """Run the command with a terminal as its stderr, interrupt it once it says that it waits; return what it wrote."""
    terminal, inner = os.openpty()
    command = [sys.executable, "-m", "tests.reconcile.commandline", "reconcile", "--config", str(path)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "NO_COLOR": "1"}
    process = subprocess.Popen(
        command, stdin=inner, stdout=subprocess.DEVNULL, stderr=inner, env=environment, cwd=Path(__file__).parents[2]
    )
    os.close(inner)
    output, asked = b"", False
    deadline = time.monotonic() + 180
    try:
        while time.monotonic() < deadline:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # nobody has the other end any more
                break
            output += piece
            if not asked and b"waits 0:3" in output:
                time.sleep(1.2)  # so that it is seen to count
                process.send_signal(signal.SIGINT)
                asked = True
        return process.wait(60), output.decode()
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


@pytest.mark.anyio
async def test_on_a_terminal_no_line_of_the_log_tears_a_bar(tmp_path: Path) -> None:
    site = config(people=6, acts_per_day=3.0, days=32, hard_cases=False)
    async with jira_site(site, forced={"GET /rest/api/3/worklog/updated": [429]}, throttle_forms=["bare"]) as jira:
        path = write_config(jira.url, tmp_path)
        text = path.read_text().replace("[reconcile]\n", "[reconcile]\nbackoff_first = 45\nbackoff_max = 45\n")
        path.write_text('log_level = "debug"\nlog_format = "json"\n' + text)
        code, written = await anyio.to_thread.run_sync(on_a_terminal, path)
    screen = Screen()
    screen.feed(written)
    rows = [row.rstrip() for row in screen.rows if row.strip()]
    lines = [row for row in rows if '"event"' in row]
    assert len(lines) >= 2, written
    assert all(row.startswith('{"') and row.endswith("}") for row in lines), lines
    assert [row for row in lines if '"waiting for Jira"' in row and '"level": "info"' in row]
    bars = [row for row in rows if "acme: " in row and "━" in row]
    assert len([row for row in bars if "acme: issues" in row]) == 1, rows
    assert re.search(r"acme: all +━+ +\d+%, [\d,]+/s, about \d+:\d\d left", written), written
    assert re.search(r"acme: waits 0:\d\d for Jira \(Jira answers 429\)", written)
    assert len(set(re.findall(r"acme: waits (\S+) for", written))) >= 2  # it counts
    assert code == 130
    assert any(row.startswith("rollcall: acme: ") and "--resume" in row for row in rows), rows
