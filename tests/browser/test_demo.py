"""`rollcall demo` in a real browser: the page, the reports and the simulated company's truth say the same."""

import json
import os
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from selenium.webdriver import Chrome

from ..endtoend.installation import PATIENCE, records_left, rollcall, rollup_findings, sign_in_address
from ..ports import free_port
from .chromium import asked_hosts, console_lines
from .page_object import RollcallPage

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = 30


@dataclass
class Demo:
    """A running demo."""

    config: Path
    url: str
    output: Path
    session: dict[str, Any] | None = None

    def report(self, name: str) -> list[dict[str, Any]]:
        command = rollcall("report", name, "--format", "json", "--config", str(self.config))
        rows: list[dict[str, Any]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return rows

    def truth(self) -> dict[str, set[str]]:
        """The people truly active on each day, as far as webhooks can tell."""
        site = tomllib.loads(self.config.read_text())["sites"]["acme"]["url"]
        days: dict[str, set[str]] = {}
        for line in httpx.get(f"{site}/_simulator/truth", timeout=60).text.splitlines():
            fact = json.loads(line)
            if fact["account_type"] == "atlassian" and fact["webhook_at"] and fact["webhook_actor"]:
                day = datetime.fromtimestamp(fact["webhook_at"] / 1000, BERLIN).date().isoformat()
                days.setdefault(day, set()).add(fact["account_id"])
        return days


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    running = Demo(folder / "rollcall.toml", f"http://127.0.0.1:{port}", folder / "output")
    addresses = ("--listen", f"127.0.0.1:{port}", "--sql-listen", f"127.0.0.1:{free_port()}")
    size = ("--people", "60", "--days", "31", "--live-per-minute", "0")
    # Without the reconcile run, which would name the deleters too: here it is about what webhooks tell.
    environment = {**os.environ, "ROLLCALL_RECONCILE__DAILY_AT": ""}
    with running.output.open("wb") as output:
        process = subprocess.Popen(
            rollcall("demo", *size, *addresses, "--folder", str(folder)), stdout=output, stderr=output, env=environment
        )
    deadline = time.monotonic() + PATIENCE * 2
    while "history are in" not in running.output.read_text():
        assert process.poll() is None, running.output.read_text()
        assert time.monotonic() < deadline, running.output.read_text()
        time.sleep(0.1)
    while httpx.get(f"{running.url}/readyz").status_code != 200 or records_left(running.config) or behind(running):
        assert time.monotonic() < deadline, running.output.read_text()
        time.sleep(0.5)
    yield running
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0, running.output.read_text()
    assert "Traceback" not in running.output.read_text()


def behind(demo: Demo) -> bool:
    """Whether a report does not say yet what is written."""
    return not all(row["ok"] for row in rollup_findings(str(demo.config)))


@pytest.fixture
def page(driver: Chrome, demo: Demo) -> RollcallPage:
    """The page, signed in by the address that the demo prints, which is good once, and then by its session."""
    page = RollcallPage(driver, demo.url)
    if demo.session is None:
        driver.get(sign_in_address(demo.output.read_text()))
        assert driver.current_url == f"{demo.url}/"
        (demo.session,) = driver.get_cookies()
    else:
        driver.get(f"{demo.url}/sign-in")
        driver.add_cookie(demo.session)
    page.open()
    return page


def test_page_report_and_truth_agree(page: RollcallPage, demo: Demo) -> None:
    today = page.tiles().today
    window = {(today - timedelta(days=before)).isoformat() for before in range(DAYS)}
    truth = {day: people for day, people in demo.truth().items() if day in window}
    reported: dict[str, set[str]] = {}
    for row in demo.report("days"):
        reported.setdefault(row["day"], set()).add(row["account_id"])
    assert reported == truth

    page.find("#numbers-summary").click()
    assert {day.isoformat(): row.active or 0 for day, row in page.days().items()} == {
        day: len(truth.get(day, ())) for day in window
    }
    tiles = page.tiles()
    for days, shown in ((1, tiles.active_today), (7, tiles.active_week), (DAYS, tiles.active_month)):
        assert shown == len(set().union(*(truth.get(day, set()) for day in last(today, days))))
    assert page.totals()["active"] == tiles.active_month


def last(today: date, days: int) -> list[str]:
    return [(today - timedelta(days=before)).isoformat() for before in range(days)]


def test_people_are_those_of_the_report(page: RollcallPage, demo: Demo) -> None:
    shown = [(row.account_id, row.active_days, row.comments, row.changes, row.worklogs) for row in page.all_people()]
    assert shown == [
        (row["account_id"], row["active_days"], row["comments"], row["changes"], row["worklogs"])
        for row in demo.report("users")
    ]
    assert len(shown) > 40


def test_search_and_sort(page: RollcallPage) -> None:
    someone = page.people()[3]
    page.search(someone.account_id)
    assert [row.account_id for row in page.people()] == [someone.account_id]
    page.open()
    page.sort("comments")
    counts = [row.comments for row in page.people()]
    assert counts in (sorted(counts), sorted(counts, reverse=True))


def test_nothing_foreign_is_asked_and_nothing_complains(page: RollcallPage, driver: Chrome) -> None:
    assert asked_hosts(driver) <= {page.url.removeprefix("http://"), "127.0.0.1"}
    assert console_lines(driver) == []
