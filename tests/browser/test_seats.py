"""The view of seats in a real browser: it fits every width, and is used by keys alone."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from rollcall.warehouse.seats import VERDICTS, read_savings, read_seats

from ..seats.warehouse import SOFTWARE
from ..web import holders
from ..web.serving import Served, served
from .chromium import asked_hosts, console_lines, prefer
from .page_object import RollcallPage, number
from .test_appearance import SCREENSHOTS, screenshot, violations
from .test_keyboard import enter, press, tab_to

WIDTHS = (320, 390, 800, 1089, 1280, 1400, 1920)
VIEWS = (
    "/?site=acme",
    "/seats?site=acme",
    "/seats?site=acme&verdict=never",
    "/person?site=acme&account=acts",
    "/licenses?site=acme&days=12",
    "/thresholds?site=acme",
    "/robots?site=acme",
    "/health",
)
ALIKE = [f"tr[data-verdict={verdict}] ~ tr[data-verdict={verdict}]" for verdict in VERDICTS]
"""Seats below one of the same verdict."""
_CUT_OFF = """
const clamped = ".name, .clamp, .id, .unseen, .skip, svg *";
return [...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  const out = box.width && (box.right > innerWidth + 1 || box.left < -1);
  const hidden = one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible";
  return (out || hidden) && !one.closest(clamped);
}).map(one => one.outerHTML.slice(0, 150));
"""
_LISTED = """
return [...document.querySelectorAll("table.seats tbody tr")].map(row =>
  [row.dataset.account, row.dataset.product, row.dataset.verdict]);
"""


@pytest.fixture(scope="module")
def company(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = holders.settings_in(tmp_path_factory.mktemp("holders"))
    with served(settings, holders.seed) as page:
        yield page


@pytest.fixture
def page(driver: Chrome, company: Served) -> Iterator[RollcallPage]:
    """The page; at the end no test may have left an error in the console or asked another host."""
    yield RollcallPage(driver, company.url)
    assert console_lines(driver) == []
    assert asked_hosts(driver) - {""} <= {f"127.0.0.1:{company.port}"}


def width(driver: Chrome, pixels: int) -> None:
    metrics = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def listed(driver: Chrome) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in driver.execute_script(_LISTED)]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_cut_off(page: RollcallPage, view: str) -> None:
    page.driver.get(page.url + view)
    for pixels in WIDTHS:
        width(page.driver, pixels)
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= pixels
        assert page.driver.execute_script(_CUT_OFF) == [], pixels


@pytest.mark.parametrize("view", VIEWS[1:])
def test_axe_finds_nothing(page: RollcallPage, view: str) -> None:
    page.driver.get(page.url + view)
    page.driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    for scheme, pixels in itertools.product(("light", "dark"), (390, 800, 1400)):
        prefer(page.driver, scheme)
        width(page.driver, pixels)
        assert violations(page.driver, colors=scheme == "dark", but=ALIKE) == [], (scheme, pixels)
        if folder := os.environ.get(SCREENSHOTS):
            name = view.partition("?")[0].strip("/") + ("-never" if "never" in view else "")
            picture = screenshot(page.driver, pixels, 1240)
            Path(folder, f"{name}-{pixels}-{scheme}.png").write_bytes(picture)


def test_figures_lead_to_the_seats_of_the_report(page: RollcallPage, company: Served) -> None:
    page.driver.get(f"{page.url}/seats?site=acme")
    savings = company.ask(read_savings(company.warehouse, company.settings.seats, ["acme"], SOFTWARE))
    card = f'article[data-product="{SOFTWARE}"]'
    shown = {name: number(page.text(f'{card} [data-count="{name}"]')) for name in VERDICTS}
    assert shown == {name: savings[0][name] for name in VERDICTS}
    tags = page.driver.find_elements(By.CSS_SELECTOR, f"{card} .verdict")
    assert [(tag.text, tag.size["width"] > 20) for tag in tags] == [(name, True) for name in VERDICTS]
    page.follow(page.find(f'{card} a:has([data-count="never"])'))
    rows = company.ask(read_seats(company.warehouse, ["acme"], SOFTWARE, ["never"]))
    assert listed(page.driver) == [(row["account_id"], row["product"], row["verdict"]) for row in rows]
    assert number(page.text("#found")) == len(rows) == shown["never"]


def test_filter_sort_and_turn_pages_by_keys_alone(page: RollcallPage) -> None:
    page.driver.get(f"{page.url}/seats?site=acme")
    tab_to(page, "days")
    press(page.driver, "120")
    tab_to(page, "q")
    press(page.driver, "idle")
    tab_to(page, "verdict-idle")
    press(page.driver, Keys.SPACE)
    enter(page, "apply")
    assert page.driver.current_url == f"{page.url}/seats?site=acme&product=&group=&days=120&q=idle&verdict=idle#seats"
    found = number(page.text("#found"))
    assert found == holders.IDLE - 20
    enter(page, "sort-name")
    first = listed(page.driver)
    assert [row[0] for row in first] == sorted(row[0] for row in first)
    enter(page, "next-page")
    assert not set(first) & set(listed(page.driver))
    enter(page, "sort-name")
    assert page.find("th[aria-sort=descending] #sort-name")
    enter(page, "clear")
    assert number(page.text("#found")) > found


def test_licenses_thresholds_and_robots_are_reached_and_narrowed_by_keys_alone(page: RollcallPage) -> None:
    page.driver.get(f"{page.url}/seats?site=acme")
    for name, days in (("Licenses", "40"), ("Thresholds", "100"), ("Robots", "20")):
        page.follow(page.driver.find_element(By.LINK_TEXT, name))
        tab_to(page, "days")
        press(page.driver, Keys.CONTROL + "a" + Keys.NULL + days)
        enter(page, "apply")
        assert page.driver.current_url == f"{page.url}/{name.lower()}?site=acme&product=&days={days}"
        assert page.find("nav [aria-current=page]").text == name or page.find(".views [aria-current]").text == name
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "table.robots tbody tr")) == 1
    page.driver.get(f"{page.url}/licenses?site=acme&days=40")
    rows = page.driver.find_elements(By.CSS_SELECTOR, f'[data-product="{SOFTWARE}"] table.by-day tbody tr')
    bars = page.driver.find_elements(By.CSS_SELECTOR, f'[data-product="{SOFTWARE}"] svg.wide .day')
    assert len(bars) == len(rows) == 39 - 3
    assert all(one.size["width"] > 0 for one in bars)


def test_what_is_typed_and_chosen_stays_in_the_form(page: RollcallPage) -> None:
    page.driver.get(f"{page.url}/seats?site=acme&product={SOFTWARE}&verdict=idle&verdict=never&group=builders&days=7")
    assert Select(page.find("#product")).first_selected_option.get_attribute("value") == SOFTWARE
    assert page.find("#group").get_attribute("value") == "builders"
    assert page.find("#days").get_attribute("value") == "7"
    chosen = [one for one in VERDICTS if page.find(f"#verdict-{one}").is_selected()]
    assert chosen == ["never", "idle"]
