"""The views of seats beside the list: licenses over time, thresholds, robots; as pages and as CSV or JSON.

Each is a report with a query in its address. What is shown and what is taken away are the same rows.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from console.reports import ThresholdRow
from console.row_format import csv_lines, json_parts, plain
from console.web.people import typed, whole_number
from console.web.seat_chart import draw_seats
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.robots import LEAST_DAYS, ROBOTS, read_robots
from rollcall.warehouse.seats import VERDICTS, read_thresholds

_LONGEST_KEY = 64

HISTORY = ("site", "day", "product", "seats", "held", *VERDICTS)
"""The columns of the view ``seat_days``."""

_PRODUCTS = """
SELECT product FROM
(
    SELECT toString(product) AS product FROM directory_seats WHERE site = {site:String}
    UNION DISTINCT
    SELECT toString(product) AS product FROM seat_days WHERE site = {site:String}
)
ORDER BY product
"""
_TODAY = "SELECT today FROM site_days WHERE site = {site:String}"
_HISTORY = f"""
SELECT {", ".join(HISTORY)} FROM seat_days
WHERE site = {{site:String}} AND (empty({{product:String}}) OR product = {{product:String}})
    AND day BETWEEN {{first:Date}} AND {{last:Date}}
ORDER BY product, day DESC
"""  # noqa: S608 - constants of this file
_BEFORE = f"""
SELECT * FROM ({_HISTORY}) LIMIT 1 BY product
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What a view is asked for.

    Attributes:
        site: Name of the site.
        days: How many days; what of them is the view's.
        product: Key of the only product; empty for all.
    """

    site: str
    days: int
    product: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a query finds.

    Attributes:
        rows: The rows, in the order of the report.
        columns: Their columns.
        products: Keys of all products of the site, to choose from.
        today: Today at the site; None where it is not known to the warehouse yet.
        before: Of each product the newest row of as many days before, where there is one.
    """

    rows: Sequence[Row]
    columns: Sequence[str]
    products: Sequence[str]
    today: date | None = None
    before: Mapping[str, Row] | None = None

    def csv(self) -> Iterator[bytes]:
        """Return the rows as ``rollcall report --format csv`` writes rows, part by part."""
        return (line.encode() for line in csv_lines(self._plain(), self.columns))

    def json(self) -> Iterator[bytes]:
        """Return them as ``rollcall report --format json`` does."""
        return json_parts(self._plain())

    def charts(self, query: ReportQuery) -> dict[str, str]:
        """Return a chart of each product's rows, where they are days."""
        if self.today is None or self.columns is not HISTORY:
            return {}
        by_product = groupby(self.rows, itemgetter("product"))
        return {product: draw_seats(list(rows), query.days, self.today) for product, rows in by_product}

    def _plain(self) -> Iterator[Row]:
        return ({name: plain(row[name]) for name in self.columns} for row in self.rows)


Read = Callable[[Warehouse, SeatsSettings, ReportQuery], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class SeatReport:
    """A report as the page has it.

    Attributes:
        path: Its address; that of its template and the name of its exports too.
        days: How many days it is asked for unless the address says.
        least: The fewest days that it can be asked for.
        read: Reads it. Raises WarehouseUnavailableError.
        most: The most days; thirteen months of each product are a page still.
    """

    path: str
    days: int
    least: int
    read: Read
    most: int = 400

    @property
    def name(self) -> str:
        """What its template and its exports are called."""
        return self.path.removeprefix("/")

    def asked(self, site: str, parameters: Mapping[str, str]) -> ReportQuery:
        """Read an address's query; whatever is not understood is as if it were not there."""
        days = whole_number(parameters.get("days", ""))
        return ReportQuery(
            site=site,
            days=min(max(days, self.least), self.most) if days else self.days,
            product=typed(parameters.get("product", ""))[:_LONGEST_KEY],
        )

    def link(self, query: ReportQuery, ending: str = "", **changes: object) -> str:
        """Return the address of a query's view, of one changed from it, or of its export with that ending."""
        view = replace(query, **changes)  # type: ignore[arg-type]  # names and types are those of the fields
        every = {"site": view.site, "product": view.product, "days": "" if view.days == self.days else str(view.days)}
        return f"{self.path}{ending}?" + urlencode({name: value for name, value in every.items() if value})


async def _read_history(warehouse: Warehouse, _: SeatsSettings, query: ReportQuery) -> Found:
    products, today = await _around(warehouse, query.site)
    if today is None:
        return Found([], HISTORY, products)

    def window(end: date) -> dict[str, Any]:
        first = end - timedelta(days=query.days - 1)
        return {"site": query.site, "product": query.product, "first": first, "last": end}

    rows = await warehouse.query(_HISTORY, window(today))
    before = await warehouse.query(_BEFORE, window(today - timedelta(days=query.days)))
    return Found(rows, HISTORY, products, today, {row["product"]: row for row in before})


async def _read_thresholds(warehouse: Warehouse, settings: SeatsSettings, query: ReportQuery) -> Found:
    products, today = await _around(warehouse, query.site)
    rows = await read_thresholds(warehouse, settings, [query.site], query.product)
    return Found([row for row in rows if row["days"] >= query.days], ThresholdRow.__struct_fields__, products, today)


async def _read_robots(warehouse: Warehouse, _: SeatsSettings, query: ReportQuery) -> Found:
    products, today = await _around(warehouse, query.site)
    return Found(await read_robots(warehouse, [query.site], query.days, query.product), ROBOTS, products, today)


async def _around(warehouse: Warehouse, site: str) -> tuple[list[str], date | None]:
    products = [row["product"] for row in await warehouse.query(_PRODUCTS, {"site": site})]
    days = await warehouse.query(_TODAY, {"site": site})
    return products, days[0]["today"] if days else None


def change(difference: int) -> str:
    """Say a difference, such as ``12 more``."""
    return "as many" if difference == 0 else f"{abs(difference):,} {'more' if difference > 0 else 'fewer'}"


SEAT_REPORTS = (
    SeatReport("/licenses", 90, 1, _read_history),
    SeatReport("/thresholds", 14, 1, _read_thresholds),
    SeatReport("/robots", 30, LEAST_DAYS, _read_robots),
)
"""Licenses over time, of the last days; thresholds of so many days or more; robots, by their last days."""
