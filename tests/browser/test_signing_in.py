"""Sign in and out as a viewer does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys

from ..web import company
from ..web.serving import served, settings_of
from .chromium import asked_hosts, console_lines
from .page_object import RollcallPage
from .test_appearance import violations

PASSWORD = "correct horse battery"


@pytest.fixture
def locked(driver: Chrome, tmp_path: Path) -> Iterator[RollcallPage]:
    """A page with a password. The console tells of answers 403, and of nothing else."""
    with served(settings_of(tmp_path, company.SITES, page={"password": PASSWORD})) as page:
        yield RollcallPage(driver, page.url)
        assert [line for line in console_lines(driver) if "status of 403" not in line] == []
        assert asked_hosts(driver) - {""} <= {f"127.0.0.1:{page.port}"}


def give(page: RollcallPage, password: str) -> None:
    field = page.find("#password")
    field.send_keys(password)
    page.leaving(field, lambda: field.send_keys(Keys.ENTER))


def test_in_and_out(locked: RollcallPage) -> None:
    locked.open(site="borealis", show="unseen")
    assert locked.driver.current_url.startswith(f"{locked.url}/sign-in")
    assert violations(locked.driver) == []
    give(locked, "wrong horse battery")
    assert locked.text("#problem") == "That is not the password."
    give(locked, PASSWORD)
    assert locked.driver.current_url == f"{locked.url}/?site=borealis&show=unseen"
    assert locked.driver.execute_script("return document.cookie") == "", "no script sees the session"
    locked.follow(locked.find("header form button"))
    assert locked.driver.current_url == f"{locked.url}/sign-in"
    locked.open()
    assert locked.driver.current_url == f"{locked.url}/sign-in"


def test_the_session_of_a_copied_cookie_ends_at_sign_out(locked: RollcallPage) -> None:
    locked.open()
    give(locked, PASSWORD)
    (cookie,) = locked.driver.get_cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    locked.follow(locked.find("header form button"))
    assert locked.driver.get_cookies() == []
    locked.driver.add_cookie(cookie)
    locked.open()
    assert locked.driver.current_url == f"{locked.url}/sign-in"
