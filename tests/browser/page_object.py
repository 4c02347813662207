"""The page as a viewer meets it: what it says, read from a real browser, and what can be done with it.

Nothing here knows Rollcall's code, so that it can be held against any oracle: a report, or a simulator's truth.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from selenium.common.exceptions import NoSuchElementException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 30.0

_DASH = "\u2013"
_PEOPLE = r"""
const text = element => element.innerText.replace(/\s+/g, " ").trim();
return [...document.querySelectorAll("table.list tbody tr")].map(row => {
  const cells = [...row.cells];
  return {
    account_id: text(row.querySelector(".id")),
    name: text(row.querySelector(".name")),
    email: cells[1].querySelector("bdi") && text(cells[1]),
    last_active_at: cells[2].querySelector("time")?.dateTime ?? null,
    last_activity: text(cells[2]),
    active_days: text(cells[3]),
    comments: text(cells[4]),
    changes: text(cells[5]),
    worklogs: text(cells[6]),
    licenses: [...cells[7].querySelectorAll("li")].map(text),
    status: cells[8].dataset.value,
  };
});
"""
_TEXT = """return document.querySelector(arguments[0])?.innerText.trim() ?? null;"""
_TILES = """
return [document.querySelector("dl.tiles").dataset.today,
  ...["today", "week", "month"].map(span => document.querySelector("#active-" + span).innerText.trim())];
"""
_DAYS = """
return [...document.querySelectorAll("table.numbers tbody tr")].map(row =>
  [row.querySelector("time").dateTime, ...[...row.querySelectorAll("td")].map(cell => cell.textContent)]);
"""


@dataclass(frozen=True)
class Tiles:
    """The three head counts, and the day that counts as today."""

    today: date
    active_today: int
    active_week: int
    active_month: int


@dataclass(frozen=True)
class DayRow:
    """A day of the table beneath the chart; None where it shows a dash."""

    active: int | None
    comment: int | None
    history: int | None
    worklog: int | None


@dataclass(frozen=True)
class PersonRow:
    """A person as the table shows it."""

    account_id: str
    name: str
    email: str | None
    last_active_at: str | None
    last_activity: str
    active_days: int
    comments: int
    changes: int
    worklogs: int
    licenses: tuple[str, ...]
    status: str


class RollcallPage:
    """The page at an address, in a browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url.rstrip("/")

    def open(self, **query: str | int) -> None:
        self.driver.get(f"{self.url}/?{urlencode(query)}")

    def tiles(self) -> Tiles:
        """What they show, at one moment: what is live is put in anew."""
        day, *counts = self.driver.execute_script(_TILES)
        return Tiles(date.fromisoformat(day), *map(number, counts))

    def days(self) -> dict[date, DayRow]:
        """The table beneath the chart."""
        rows: list[list[str]] = self.driver.execute_script(_DAYS)
        return {
            date.fromisoformat(day): DayRow(*(None if cell == _DASH else number(cell) for cell in cells))
            for day, *cells in rows
        }

    def points(self, field: str) -> list[str]:
        """The titles of the points of a line of the chart, oldest first."""
        script = (
            'return [...document.querySelectorAll(".wide .trace." + arguments[0] + " title")].map(t => t.textContent)'
        )
        titles: list[str] = self.driver.execute_script(script, field)
        return titles

    def people(self) -> list[PersonRow]:
        """The people of the page of the table that is open."""
        rows: list[dict[str, Any]] = self.driver.execute_script(_PEOPLE)
        counts = ("active_days", "comments", "changes", "worklogs")
        return [
            PersonRow(**{**row, **{name: number(row[name]) for name in counts}, "licenses": tuple(row["licenses"])})
            for row in rows
        ]

    def all_people(self) -> list[PersonRow]:
        """The people from the page that is open to the last."""
        found = self.people()
        while following := self.driver.find_elements(By.ID, "next-page"):
            self.follow(following[0])
            found += self.people()
        return found

    def totals(self) -> dict[str, int]:
        """How many people each chip promises: all, active, unseen."""
        return {show: number(self.text(f"#show-{show} .count")) for show in ("all", "active", "unseen")}

    def show(self, which: str) -> None:
        self.follow(self.find(f"#show-{which}"))

    def sort(self, column: str) -> None:
        self.follow(self.find(f"#sort-{column}"))

    def search(self, text: str) -> None:
        """Type into the field and press Enter."""
        field = self.find("#q")
        field.clear()
        field.send_keys(text)
        self.leaving(field, lambda: field.send_keys(Keys.ENTER))

    def state(self) -> dict[str, str]:
        """What the line on the pipeline says."""
        names = ("last-webhook", "waiting", "letters", "log", "consumers")
        found = {name: self.driver.find_elements(By.ID, name) for name in names}
        return {name: elements[0].text for name, elements in found.items() if elements}

    def sorting(self) -> dict[str, str]:
        """The columns that say they are sorted, and how."""
        script = (
            'return [...document.querySelectorAll("th[aria-sort]")].map(h => [h.querySelector("a").id, h.ariaSort])'
        )
        return {name.removeprefix("sort-"): way for name, way in self.driver.execute_script(script)}

    def follow(self, link: WebElement) -> None:
        self.leaving(link, link.click)

    def leaving(self, element: WebElement, action: Any) -> None:
        """Do something that leads to another page, and wait for it."""
        action()
        WebDriverWait(self.driver, PATIENCE).until(staleness_of(element))
        WebDriverWait(self.driver, PATIENCE).until(
            lambda driver: driver.execute_script("return document.readyState") == "complete"
        )

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What an element shows, read at one moment: between finding and reading it, it may be put in anew."""
        text: str | None = self.driver.execute_script(_TEXT, selector)
        if text is None:
            raise NoSuchElementException(selector)
        return text


def number(text: str) -> int:
    """Read a number as the page writes it."""
    return int(text.replace(",", ""))
