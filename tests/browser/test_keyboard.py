"""The page is used without a mouse: search, sort, filter and turn pages by keys alone."""

from collections.abc import Callable

from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement

from .page_object import RollcallPage

MOST_TABS = 120
"""Each of the 50 people on a page of the table is a link."""


def press(driver: Chrome, *keys: str) -> None:
    ActionChains(driver).send_keys(*keys).perform()


def tab_to(page: RollcallPage, element_id: str) -> WebElement:
    """Press Tab until an element has the focus; every stop on the way must show that it has it."""
    for _ in range(MOST_TABS):
        press(page.driver, Keys.TAB)
        focused = page.driver.switch_to.active_element
        outline = focused.value_of_css_property("outline-style"), focused.value_of_css_property("outline-width")
        assert outline == ("solid", "3px"), f"no visible focus on {focused.get_attribute('outerHTML')}"
        if focused.get_attribute("id") == element_id:
            return focused
    raise AssertionError(f"Tab never comes to {element_id}")


def enter(page: RollcallPage, element_id: str) -> None:
    page.leaving(tab_to(page, element_id), lambda: press(page.driver, Keys.ENTER))


def is_sorted(values: list[int], *, descending: bool) -> bool:
    return values == sorted(values, reverse=descending)


def test_the_first_stop_skips_to_the_content(page: RollcallPage) -> None:
    page.open(site="acme")
    press(page.driver, Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Skip to the content"
    press(page.driver, Keys.ENTER)
    assert page.driver.switch_to.active_element.get_attribute("id") == "main"


def test_search_by_name_by_address_and_by_id(page: RollcallPage) -> None:
    page.open(site="acme")
    for typed, told in _SEARCHES.items():
        field = tab_to(page, "q")
        ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(typed).perform()
        page.leaving(field, lambda: press(page.driver, Keys.ENTER))
        found = page.people()
        assert 0 < len(found) < 50
        assert all(told(row.name, row.email or "", row.account_id) for row in found)
        assert page.totals()["all"] == len(found)


_SEARCHES: dict[str, Callable[[str, str, str], bool]] = {
    "aDa": lambda name, email, account: "ada" in (name + email).lower(),
    "vito.": lambda name, email, account: "vito." in email,
    "ed0042": lambda name, email, account: account.endswith("ed0042"),
}


def test_sort_by_each_column_both_ways(page: RollcallPage) -> None:
    page.open(site="acme")
    for column in ("active_days", "comments", "changes", "worklogs"):
        enter(page, f"sort-{column}")
        assert page.sorting() == {column: "descending"}
        largest = [getattr(row, column) for row in page.people()]
        assert is_sorted(largest, descending=True)
        enter(page, f"sort-{column}")
        assert page.sorting() == {column: "ascending"}
        smallest = [getattr(row, column) for row in page.people()]
        assert is_sorted(smallest, descending=False)
        assert smallest[0] == 0 < largest[0]
    for column in ("name", "email", "licenses", "status"):
        enter(page, f"sort-{column}")
        assert page.sorting() == {column: "ascending"}
        if column in ("name", "email"):
            words = [getattr(row, column).lower() for row in page.people() if getattr(row, column)]
            assert words == sorted(words)


def test_turn_pages_there_and_back(page: RollcallPage) -> None:
    page.open(site="acme", sort="name")
    first = page.people()
    enter(page, "next-page")
    second = page.people()
    enter(page, "next-page")
    third = page.people()
    ids = [row.account_id for row in (*first, *second, *third)]
    assert len(ids) == len(set(ids)) == 130
    enter(page, "previous")
    assert page.people() == second


def test_filter_who_was_not_seen(page: RollcallPage) -> None:
    page.open(site="acme")
    totals = page.totals()
    enter(page, "show-unseen")
    unseen = page.all_people()
    assert len(unseen) == totals["unseen"]
    assert {row.active_days for row in unseen} == {0}
    page.open(site="acme")
    enter(page, "show-active")
    active = page.all_people()
    assert len(active) == totals["active"]
    assert all(row.active_days for row in active)
    assert totals["all"] == len(active) + len(unseen)
    words = page.text("main")
    assert "readers leave no trace" in words
    assert "safe to remove" not in words.lower()


def test_open_the_numbers_and_change_the_site(page: RollcallPage) -> None:
    page.open(site="acme")
    tab_to(page, "numbers-summary")
    press(page.driver, Keys.ENTER)
    assert page.find("table.numbers").is_displayed()
    page.open(site="acme")
    press(page.driver, Keys.TAB, Keys.TAB, Keys.TAB)
    link = page.driver.switch_to.active_element
    assert link.text == "borealis"
    page.leaving(link, lambda: press(page.driver, Keys.ENTER))
    assert page.driver.title == "borealis · Rollcall"
