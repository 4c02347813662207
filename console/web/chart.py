"""The chart of active people a day: where its lines, ticks and labels lie.

A template makes SVG of it, and the page's stylesheet dresses that for light and dark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from console.web.overview import DayCount, Headcounts
from console.web.template import grouped, render

SERIES = (("active", "All"), ("comment", "Comments"), ("history", "Changes"), ("worklog", "Worklogs"))
"""The lines, by field of `DayCount`, as the legend names them."""

_AIR = 8
_BELOW = 34
"""Room under the plot for the days."""

_CHARACTER = 8
"""Width of a digit, about."""

_STEPS = 5
_LOWEST_TOP = 4
"""Least value at the top of the axis, so that its ticks are whole people."""


class _Tick(NamedTuple):
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
class _Chart:
    """The chart in one size; the stylesheet chooses by the width of the window.

    Lengths are those of the view box, whose corner at the top left is 0, 0.
    """

    name: str
    width: int
    height: int
    days_apart: int
    counts: Headcounts

    @property
    def label(self) -> str:
        return describe(self.counts)

    @property
    def left(self) -> int:
        return 2 * _AIR + _CHARACTER * len(grouped(self._tops[-1]))

    @property
    def right(self) -> int:
        return self.width - _AIR

    @property
    def bottom(self) -> int:
        return self.height - _BELOW

    @property
    def numbers(self) -> list[_Tick]:
        """The ticks at the left."""
        return [_Tick(self._y(number), grouped(number)) for number in self._tops]

    @property
    def days(self) -> list[_Tick]:
        """Those at the bottom, today among them."""
        last = len(self.counts.days) - 1
        return [_Tick(self._x(n), _short(self.counts.days[n])) for n in range(last, -1, -self.days_apart)]

    @property
    def lines(self) -> list[_Line]:
        return [_Line(field, list(self._points(field, name))) for field, name in SERIES]

    def _points(self, field: str, name: str) -> Iterator[_Point]:
        """Skip days without a number."""
        for index, day in enumerate(self.counts.days):
            if (number := getattr(day, field)) is not None:
                yield _Point(self._x(index), self._y(number), f"{_long(day)}, {name}: {number}")

    @property
    def _tops(self) -> list[int]:
        return _ticks(max(_LOWEST_TOP, *(day.active or 0 for day in self.counts.days)))

    def _x(self, index: int) -> float:
        """Leave a day's width free at the right, for half of the last label."""
        return round(self.left + (self.right - self.left) * index / len(self.counts.days), 1)

    def _y(self, number: int) -> float:
        return round(self.bottom - (self.bottom - _AIR) * number / self._tops[-1], 1)


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


def _ticks(most: int) -> list[int]:
    """Return round numbers of whole people from 0 to at least `most`, six at most."""
    step = next(size * 10**power for power in count(0) for size in (1, 2, 5) if most <= _STEPS * size * 10**power)
    return list(range(0, most + step, step))


def _short(one: DayCount) -> str:
    return f"{one.day.day} {one.day:%b}"


def _long(one: DayCount) -> str:
    return f"{one.day:%a} {one.day.day} {one.day:%b}"
