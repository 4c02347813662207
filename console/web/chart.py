"""The chart of active people a day: leather lays it out, the page's stylesheet dresses it for light and dark.

A line is a path and its points, with a class for the stylesheet and a title at every point.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from xml.etree import ElementTree

import leather

from console.web.overview import DayCount, Headcounts
from console.web.template import grouped

_RADIUS = "3"


class Trace(leather.Shape):  # type: ignore[misc]  # leather has no types
    """A shape for leather charts.

    Args:
        name: What the stylesheet calls it.
        titles: What browsers show at each point, such as ``Mon 23 Nov, All: 17``.
        filled: Whether the area down to zero is painted too.
    """

    def __init__(self, name: str, titles: Sequence[str], *, filled: bool) -> None:
        self._name = name
        self._titles = titles
        self._filled = filled

    def validate_series(self, series: leather.Series) -> None:
        """Take any series: ours are numbers by day."""

    def legend_to_svg(self, series: leather.Series, palette: Any) -> list[tuple[ElementTree.Element, int]]:
        """Return no entries: the page has its legend in HTML."""
        del series, palette
        return []

    def to_svg(
        self, width: float, height: float, x_scale: Any, y_scale: Any, series: leather.Series, palette: Any
    ) -> ElementTree.Element:
        """Draw the line, skipping days without a number."""
        del palette
        group = ElementTree.Element("g", {"class": f"trace {self._name}"})
        placed = [
            (index, f"{x_scale.project(datum.x, 0, width):.1f}", f"{y_scale.project(datum.y, height, 0):.1f}")
            for index, datum in enumerate(series.data())
            if datum.y is not None
        ]
        line = " ".join(f"{x},{y}" for _, x, y in placed)
        if self._filled:
            base = f"{y_scale.project(0, height, 0):.1f}"
            area = f"{placed[0][1]},{base} {line} {placed[-1][1]},{base}"
            ElementTree.SubElement(group, "polygon", {"points": area})
        ElementTree.SubElement(group, "polyline", {"points": line, "fill": "none"})
        for index, x, y in placed:
            point = ElementTree.SubElement(group, "circle", {"cx": x, "cy": y, "r": _RADIUS})
            ElementTree.SubElement(point, "title").text = self._titles[index]
        return group


SERIES = (("active", "All"), ("comment", "Comments"), ("history", "Changes"), ("worklog", "Worklogs"))
"""The lines, by field of `DayCount`, as the legend names them."""

_LEGEND = 18.0
_AIR = 8.0
_LABEL = 12.0
_STEPS = 5
_LOWEST_TOP = 4
"""Least value at the top of the axis, so that its ticks are whole people."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A size of the chart; the stylesheet chooses by the width of the window."""

    name: str
    width: int
    height: int
    days_apart: int

    @property
    def crop(self) -> str:
        """The part to show: leather leaves a margin and room for a legend, which the page has in HTML."""
        margin = self.width * leather.theme.margin
        left, top = margin - _AIR, margin + _LEGEND - _AIR
        return f"{left:g} {top:g} {self.width - 2 * left:g} {self.height - top - margin + _LABEL:g}"


_FORMS = (_Form("wide", 960, 340, 5), _Form("narrow", 440, 300, 10))


def draw(counts: Headcounts) -> str:
    """Return the chart for a page, in two sizes: SVG without style or script, every point with a title.

    Empty when there is nothing to draw.
    """
    if not counts.known:
        return ""
    return "".join(_drawn(counts, form) for form in _FORMS)


def _drawn(counts: Headcounts, form: _Form) -> str:
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": form.crop,
        "role": "img",
        "aria-label": describe(counts),
        "class": f"chart {form.name}",
    }
    root = ElementTree.Element("svg", attributes)
    root.append(_chart(counts, form.days_apart).to_svg_group(form.width, form.height))
    return ElementTree.tostring(root, encoding="unicode")


def describe(counts: Headcounts) -> str:
    """Say in a sentence what the chart shows."""
    known = [day.active for day in counts.days if day.active is not None]
    span = f"Active people per day from {_long(counts.days[0])} to {_long(counts.days[-1])}"
    if not known:
        return f"{span}: nothing recorded yet."
    return f"{span}: between {min(known)} and {max(known)}, today {counts.today}. The table below has every number."


def _chart(counts: Headcounts, days_apart: int) -> leather.Chart:
    days = counts.days
    ticks = _ticks(max(_LOWEST_TOP, *(day.active or 0 for day in days)))
    chart = leather.Chart()
    chart.set_x_scale(leather.Linear(0, len(days) - 1))
    chart.set_y_scale(leather.Linear(0, ticks[-1]))
    chart.add_x_axis(
        ticks=list(range(len(days) - 1, -1, -days_apart)), tick_formatter=lambda index, *_: _short(days[int(index)])
    )
    chart.add_y_axis(ticks=ticks, tick_formatter=lambda number, *_: grouped(number))
    for field, name in SERIES:
        values = [(index, getattr(day, field)) for index, day in enumerate(days)]
        titles = [f"{_long(day)}, {name}: {getattr(day, field)}" for day in days]
        chart.add_series(leather.Series(values, name=name), Trace(field, titles, filled=field == "active"))
    return chart


def _ticks(most: int) -> list[int]:
    """Return round numbers of whole people from 0 to at least `most`, six at most."""
    step = next(size * 10**power for power in count(0) for size in (1, 2, 5) if most <= _STEPS * size * 10**power)
    return list(range(0, most + step, step))


def _short(one: DayCount) -> str:
    return f"{one.day.day} {one.day:%b}"


def _long(one: DayCount) -> str:
    return f"{one.day:%a} {one.day.day} {one.day:%b}"
