"""One browser for all tests; each begins with an empty log."""

import os
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from ..web import company
from ..web.serving import Served, served, settings_of
from .chromium import asked_hosts, chromium, console_lines, installed, prefer, unshrink
from .page_object import RollcallPage

REQUIRED = "ROLLCALL_REQUIRE_BROWSER"
NO_BROWSER = "no chromium with chromedriver is installed (Debian: apt-get install chromium chromium-driver)"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if installed() is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {NO_BROWSER}")
        pytest.skip(NO_BROWSER)
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def driver(browser: Chrome) -> Chrome:
    browser.get("about:blank")
    browser.delete_all_cookies()
    prefer(browser, "light")
    unshrink(browser)
    console_lines(browser)
    asked_hosts(browser)
    return browser


@pytest.fixture(scope="module")
def company_page(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The made-up companies, served."""
    with served(settings_of(tmp_path_factory.mktemp("company"), company.SITES), company.seed) as page:
        yield page


@pytest.fixture
def page(driver: Chrome, company_page: Served) -> Iterator[RollcallPage]:
    """The page; at the end no test may have left an error in the console or asked another host."""
    yield RollcallPage(driver, company_page.url)
    assert console_lines(driver) == []
    assert asked_hosts(driver) - {""} <= {f"127.0.0.1:{company_page.port}"}
