"""The chart of active people a day, and the calendar of somebody's year: where lines, days and labels lie.

Templates make SVG of them, and the page's stylesheet dresses that for light and dark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from math import ceil
from typing import NamedTuple

from console.web.overview import DayCount, Headcounts
from console.web.people import FAMILIES, YEAR_DAYS, Person
from console.web.template import grouped, render

SERIES = (("active", "All"), ("comment", "Comments"), ("history", "Changes"), ("worklog", "Worklogs"))
"""The lines, by field of `DayCount`, as the legend names them."""

AIR = 8
_BELOW = 34
"""Room under the plot for the days."""

_CHARACTER = 8
"""Width of a digit, about."""

_STEPS = 5
_LOWEST_TOP = 4
"""Least value at the top of the axis, so that its ticks are whole people."""


class Tick(NamedTuple):
    """A number or day at an axis."""

    place: float
    label: str


class _Point(NamedTuple):
    x: float
    y: float
    title: str


class _Line(NamedTuple):
    field: str
    points: list[_Point]


@dataclass(frozen=True, slots=True)
class Plot:
    """The plot of a chart in one size, with numbers at its left; the stylesheet chooses by the width of the window.

    Lengths are those of the view box, whose corner at the top left is 0, 0.

    Attributes:
        name: What the stylesheet calls the size.
        width: Of the view box.
        height: Likewise.
    """

    name: str
    width: int
    height: int

    @property
    def tops(self) -> list[int]:
        """The numbers at the left, from 0 up."""
        raise NotImplementedError

    @property
    def left(self) -> int:
        """Where the plot begins."""
        return 2 * AIR + _CHARACTER * len(grouped(self.tops[-1]))

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.width - AIR

    @property
    def bottom(self) -> int:
        """Its ground."""
        return self.height - _BELOW

    @property
    def numbers(self) -> list[Tick]:
        """The ticks at the left."""
        return [Tick(self.y(number), grouped(number)) for number in self.tops]

    def y(self, number: int) -> float:
        """Return how high a number stands."""
        return round(self.bottom - (self.bottom - AIR) * number / self.tops[-1], 1)


@dataclass(frozen=True, slots=True)
class _Chart(Plot):
    """The chart of active people."""

    days_apart: int
    counts: Headcounts

    @property
    def label(self) -> str:
        return describe(self.counts)

    @property
    def days(self) -> list[Tick]:
        """Those at the bottom, today among them."""
        last = len(self.counts.days) - 1
        return [Tick(self._x(n), _short(self.counts.days[n])) for n in range(last, -1, -self.days_apart)]

    @property
    def lines(self) -> list[_Line]:
        return [_Line(field, list(self._points(field, name))) for field, name in SERIES]

    def _points(self, field: str, name: str) -> Iterator[_Point]:
        """Skip days without a number."""
        for index, day in enumerate(self.counts.days):
            if (number := getattr(day, field)) is not None:
                yield _Point(self._x(index), self.y(number), f"{_long(day)}, {name}: {number}")

    @property
    def tops(self) -> list[int]:
        return ticks(max(_LOWEST_TOP, *(day.active or 0 for day in self.counts.days)))

    def _x(self, index: int) -> float:
        """Leave a day's width free at the right, for half of the last label."""
        return round(self.left + (self.right - self.left) * index / len(self.counts.days), 1)


def draw(counts: Headcounts) -> str:
    """Return the chart for a page, in two sizes: SVG without style or script, every point with a title.

    Empty when there is nothing to draw.
    """
    if not counts.known:
        return ""
    charts = (_Chart("wide", 880, 246, 5, counts), _Chart("narrow", 412, 258, 10, counts))
    return "".join(render("chart.svg", chart=chart).decode() for chart in charts)


def describe(counts: Headcounts) -> str:
    """Say in a sentence what the chart shows."""
    known = [day.active for day in counts.days if day.active is not None]
    span = f"Active people per day from {_long(counts.days[0])} to {_long(counts.days[-1])}"
    if not known:
        return f"{span}: nothing recorded yet."
    return f"{span}: between {min(known)} and {max(known)}, today {counts.today}. The table below has every number."


_CELL, _APART = 12, 15
"""Side of a day of the calendar, and from one day to the next."""
_MONTHS_ABOVE, _WEEKDAYS_LEFT = 16, 32
_SHORTEST_MONTH = 3
"""Weeks that a month's name is wide."""


class _Mark(NamedTuple):
    x: int
    y: int
    kind: str
    """A family, ``known`` or ``unknown``."""
    height: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Calendar:
    """A year of days in one size, a column a week from Monday to Sunday; in the narrow one it is broken into halves.

    A day has a bar for each family: comments on top, changes in the middle, worklogs below.
    """

    name: str
    rows: int
    person: Person

    @property
    def label(self) -> str:
        count = len(self.person.active)
        days = f"{count} active day{'' if count == 1 else 's'}"
        return f"{days} in the year to {self.person.today}. The table below has them."

    @property
    def width(self) -> int:
        return _WEEKDAYS_LEFT + self._weeks * _APART + AIR

    @property
    def height(self) -> int:
        return self.rows * self._row_height

    @property
    def weekdays(self) -> list[Tick]:
        named = ((0, "Mon"), (2, "Wed"), (4, "Fri"))
        tops = range(_MONTHS_ABOVE, self.height, self._row_height)
        return [Tick(top + n * _APART + _CELL - 2, name) for top in tops for n, name in named]

    @property
    def months(self) -> list[tuple[int, int, str]]:
        """Where the names of months stand, over the week that has a month's first day."""
        found: list[tuple[int, int, str]] = []
        for day in self._days:
            x, y = self._corner(day)
            row = (y - _MONTHS_ABOVE) // self._row_height * self._row_height
            fits = x + _SHORTEST_MONTH * _APART <= self.width
            if day.day == 1 and fits:
                found.append((x, row + _MONTHS_ABOVE - 5, f"{day:%b}"))
        return found

    @property
    def marks(self) -> Iterator[_Mark]:
        first, third = self.person.known_since, _CELL // 3
        for day in self._days:
            x, y = self._corner(day)
            yield _Mark(x, y, "unknown" if first is None or day < first else "known", _CELL)
            families = self.person.active.get(day, frozenset())
            names = ", ".join(name.lower() for field, name in SERIES if field in families)
            for place, family in enumerate(FAMILIES):
                if family in families:
                    yield _Mark(x, y + place * third, family, third, f"{day:%a} {day}: {names}")

    @property
    def _days(self) -> list[date]:
        return [self.person.today - timedelta(days=before) for before in reversed(range(YEAR_DAYS))]

    @property
    def _weeks(self) -> int:
        """Weeks in a row."""
        return ceil((YEAR_DAYS + 6) / 7 / self.rows)

    @property
    def _row_height(self) -> int:
        return _MONTHS_ABOVE + 7 * _APART + AIR

    def _corner(self, day: date) -> tuple[int, int]:
        """Return where a day's cell begins; the last week is at the right end of the last row."""
        monday = self.person.today - timedelta(days=self.person.today.weekday())
        back = (monday - (day - timedelta(days=day.weekday()))).days // 7
        row, column = divmod(self.rows * self._weeks - 1 - back, self._weeks)
        return _WEEKDAYS_LEFT + column * _APART, row * self._row_height + _MONTHS_ABOVE + day.weekday() * _APART


def draw_calendar(person: Person) -> str:
    """Return somebody's year for a page, in two sizes: SVG without style or script, every active day with a title."""
    calendars = (_Calendar("wide", 1, person), _Calendar("narrow", 2, person))
    return "".join(render("calendar.svg", calendar=one).decode() for one in calendars)


def ticks(most: int) -> list[int]:
    """Return round numbers of whole people from 0 to at least `most`, six at most."""
    step = next(size * 10**power for power in count(0) for size in (1, 2, 5) if most <= _STEPS * size * 10**power)
    return list(range(0, most + step, step))


def _short(one: DayCount) -> str:
    return f"{one.day.day} {one.day:%b}"


def _long(one: DayCount) -> str:
    return f"{one.day:%a} {one.day.day} {one.day:%b}"
