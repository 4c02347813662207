"""The upper part of the page keeps itself fresh and leaves the viewer alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from rollcall.clock import now_ms

from ..facts import Refreshing, entries, fact
from ..web import company
from ..web.serving import Served, served, settings_of
from .chromium import console_lines
from .page_object import PATIENCE, RollcallPage


@pytest.fixture
def fresh(driver: Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RollcallPage, Served]]:
    """A page that keeps no answers, so that what is written is seen at once."""
    for name in ("COUNTS_SECONDS", "PEOPLE_SECONDS", "STATE_SECONDS"):
        monkeypatch.setattr(f"console.web.queries.{name}", 0.0)
    with served(settings_of(tmp_path, company.SITES)) as page:
        yield RollcallPage(driver, page.url), page
        assert console_lines(driver) == []


def write(page: Served, *accounts: str) -> None:
    facts = [fact(f"comment:{name}", now_ms() - 1000, account_id=name) for name in accounts]
    page.ask(Refreshing(page.warehouse, sites=page.settings.sites).write(entries(facts)))


def wait_for_today(page: RollcallPage, expected: str) -> None:
    def shown(driver: Chrome) -> bool:
        driver.execute_script("window.refresh?.()")  # what its timer does every 15 seconds
        script = "return document.getElementById('active-today')?.textContent"
        return bool(driver.execute_script(script) == expected)

    WebDriverWait(page.driver, PATIENCE).until(shown)


def test_the_first_activity_replaces_the_first_steps(fresh: tuple[RollcallPage, Served]) -> None:
    page, behind = fresh
    page.open(site="acme")
    assert page.text("#next-title") == "No webhook has come from Jira yet"
    write(behind, "anna")
    wait_for_today(page, "1")
    assert not page.driver.execute_script("return document.getElementById('next')")
    assert [row.account_id for row in page.people()] == ["anna"], "the people are listed too"


def test_what_is_open_and_focused_stays_so(fresh: tuple[RollcallPage, Served]) -> None:
    page, behind = fresh
    write(behind, "anna")
    page.open(site="acme")
    page.find("#numbers-summary").click()
    write(behind, "bert")
    wait_for_today(page, "2")
    # In one look each: another refresh may be under way, and an element that was found before it is stale after it.
    assert page.driver.execute_script("return document.querySelector('table.numbers').checkVisibility()")
    assert page.driver.execute_script("return document.activeElement.id") == "numbers-summary"


def test_it_holds_still_while_somebody_reads(fresh: tuple[RollcallPage, Served]) -> None:
    page, behind = fresh
    write(behind, "anna")
    page.open(site="acme")
    page.driver.execute_script("getSelection().selectAllChildren(document.getElementById('active-today'))")
    write(behind, "bert")
    page.driver.execute_async_script("refresh().then(arguments[0])")
    assert page.text("#active-today") == "1"
    page.driver.execute_script("getSelection().removeAllRanges()")
    wait_for_today(page, "2")
