"""One line of the chart: a path and its points, with a class for the stylesheet and a title at every point."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import leather

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
