"""The chart of a product's seats by day: a bar a day, in it the verdicts one above the other.

Templates make SVG of it, and the page's stylesheet dresses that for light and dark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from console.web.chart import AIR, Plot, Tick, ticks
from console.web.template import render
from rollcall.warehouse import Row
from rollcall.warehouse.seats import VERDICTS

_LEAST_TOP = 5
_SHARE = 0.8
"""Of its place, the width of a bar."""


@dataclass(frozen=True, slots=True)
class SeatChart(Plot):
    """The chart in one size. A day without a row has no bar.

    Where there are more days than bars fit, a bar stands for several days and shows the last of them with a row.

    Attributes:
        most: Bars that fit.
        labels: Days named below.
        days: How many days there are, the last of them today.
        today: That day.
        rows: Rows by day.
    """

    most: int
    labels: int
    days: int
    today: date
    rows: Mapping[date, Row]

    @property
    def label(self) -> str:
        """What it shows, in a sentence."""
        held = [row["held"] for row in self.rows.values()]
        first = self.today - timedelta(days=self.days - 1)
        return (
            f"Seats held from {first} to {self.today}: between {min(held)} and {max(held)}. The table has every number."
        )

    @property
    def right(self) -> int:
        """Where it ends: half of the last label has room beyond."""
        return self.width - 3 * AIR

    @property
    def named(self) -> list[Tick]:
        """Those at the bottom, today among them."""
        apart = ceil(self._bars / self.labels)
        last = self._bars - 1
        return [
            Tick(round(self._x(n) + self._apart * _SHARE / 2, 1), self._day(n).strftime("%-d %b"))
            for n in range(last, -1, -apart)
        ]

    @property
    def shapes(self) -> list[tuple[str, str]]:
        """Of each verdict the path of all its parts of bars."""
        paths: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
        wide = round(self._apart * _SHARE, 2)
        for bar, row in self._shown():
            below = 0
            for verdict in VERDICTS:
                if row[verdict]:
                    top, ground = self.y(below + row[verdict]), self.y(below)
                    paths[verdict].append(f"M{self._x(bar)} {top}h{wide}V{ground}h-{wide}z")
                    below += row[verdict]
        return [(verdict, "".join(path)) for verdict, path in paths.items() if path]

    @property
    def titles(self) -> list[tuple[float, str]]:
        """Where each bar begins, and what it says."""
        return [(self._x(bar), told(row)) for bar, row in self._shown()]

    @property
    def apart(self) -> float:
        """From a bar to the next."""
        return round(self._apart, 2)

    def _shown(self) -> list[tuple[int, Row]]:
        found: dict[int, Row] = {}
        for day in sorted(self.rows):
            found[self._bars - 1 - (self.today - day).days // self._of_a_bar] = self.rows[day]
        return sorted(found.items())

    @property
    def _of_a_bar(self) -> int:
        return ceil(self.days / self.most)

    @property
    def _bars(self) -> int:
        return ceil(self.days / self._of_a_bar)

    @property
    def _apart(self) -> float:
        return (self.right - self.left) / self._bars

    @property
    def tops(self) -> list[int]:
        """The numbers at the left."""
        return ticks(max(_LEAST_TOP, *(row["held"] for row in self.rows.values())))

    def _day(self, bar: int) -> date:
        """Return the last day of a bar."""
        return self.today - timedelta(days=(self._bars - 1 - bar) * self._of_a_bar)

    def _x(self, bar: int) -> float:
        return round(self.left + bar * self._apart, 1)


def told(row: Row) -> str:
    """Say a day's counts in a line."""
    counts = ", ".join(f"{verdict} {row[verdict]}" for verdict in VERDICTS if row[verdict])
    return f"{row['day']:%a} {row['day']}: {row['held']} held ({counts or 'none'})"


def draw_seats(rows: Sequence[Row], days: int, today: date) -> str:
    """Return the chart of one product for a page, in two sizes: SVG without style or script.

    Args:
        rows: Its rows of `seat_days`, one at least.
        days: How many days, the last of them today.
        today: The site's.
    """
    by_day = {row["day"]: row for row in rows}
    sizes = (("wide", 880, 220, 130, 8), ("narrow", 412, 220, 60, 4))
    return "".join(render("seat_chart.svg", chart=SeatChart(*size, days, today, by_day)).decode() for size in sizes)
