"""Whatever people call themselves is shown as text, in its place, and does nothing."""

import pytest

from ..web.company import HOSTILE
from .chromium import shrink
from .page_object import RollcallPage

_LAYOUT = """
const cells = [...document.querySelectorAll("table.list th, table.list td")];
const heights = cells.map(cell => cell.getBoundingClientRect().height);
const out = cells.filter(cell => [...cell.children].some(child => {
  const inner = child.getBoundingClientRect(), outer = cell.getBoundingClientRect();
  return inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1 || inner.left < outer.left - 1;
}));
return {
  wide: document.documentElement.scrollWidth - window.innerWidth,
  tall: Math.max(...heights),
  out: out.map(cell => cell.innerText.slice(0, 40)),
};
"""


def test_names_are_shown_as_text(page: RollcallPage) -> None:
    page.open(site="borealis")
    shown = {row.account_id: row for row in page.people()}
    assert set(shown) == set(HOSTILE)
    for key in ("markup", "attribute", "formula", "template", "entity", "hebrew", "emoji", "marks"):
        assert shown[key].name == shown[key].email == HOSTILE[key]
        assert shown[key].licenses == (HOSTILE[key],)
    assert shown["turned"].name == r"\u202egnp.exe\u202c evil"
    assert shown["isolate"].name == r"\u2067\u2067\u2067never closed"
    assert shown["control"].name == r"a\u0000b\u0007c\u001b[31md\u000ae\u007ff\u0085g"
    assert shown["long"].name == "Long" * 50 + "…"
    assert page.driver.title == "borealis · Rollcall", "nothing of it ran"
    assert page.driver.execute_script("return document.querySelectorAll('main img, main script').length") == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_names_stay_in_their_cells(page: RollcallPage, width: int) -> None:
    if width < 1000:
        shrink(page.driver, width)
    page.open(site="borealis")
    layout = page.driver.execute_script(_LAYOUT)
    assert layout["wide"] <= 0, "the page scrolls sideways"
    assert layout["out"] == []
    assert layout["tall"] < 110, "a cell, and a row of them side by side, is at most two lines of name and one of id"


def test_a_name_turns_nothing_around_it(page: RollcallPage) -> None:
    page.open(site="borealis")
    order = """
        const row = [...document.querySelectorAll("table.list tbody tr")].find(r => r.dataset.account === arguments[0]);
        return [...row.cells].map(cell => cell.getBoundingClientRect().left);
    """
    places = {key: page.driver.execute_script(order, key) for key in HOSTILE}
    assert all(lefts == sorted(lefts) == places["entity"] for lefts in places.values())
    ids = {row.account_id for row in page.people()}
    assert ids == set(HOSTILE), "the id under a right-to-left name still reads left to right"


@pytest.mark.parametrize("key", ["markup", "attribute", "formula", "hebrew", "entity", "template"])
def test_hostile_text_can_be_searched_for(page: RollcallPage, key: str) -> None:
    page.open(site="borealis")
    page.search(HOSTILE[key])
    assert [row.account_id for row in page.people()] == [key]
    assert page.find("#q").get_attribute("value") == HOSTILE[key]


def test_hostile_text_that_nobody_has_is_told_as_text(page: RollcallPage) -> None:
    text = "</p><script>document.title='owned'</script>'; DROP TABLE activity; -- \\ {site:String} %s"
    page.open(site="borealis", q=text)
    assert text in page.text("#nobody")
    assert page.driver.title == "borealis · Rollcall"
