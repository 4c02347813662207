"""The seats of a site: the query in the address, the page of seats that it finds, and all of them as CSV or JSON.

Verdicts, evidence and counts are those of the view ``seats``, which ``rollcall report seats`` reads too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import Any, Self
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from console.row_format import csv_lines, json_parts
from console.web.people import LONGEST_SEARCH, MOST_PAGES, PAGE_SIZE, typed, whole_number
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.seats import SEATS, VERDICTS, Verdict

MOST_DAYS, _LONGEST_KEY = 3650, 64


class SeatSort(StrEnum):
    """What to list seats by."""

    VERDICT = "verdict"
    NAME = "name"
    DID = "did"
    LOOKED = "looked"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class SeatQuery:
    """Which seats to list, and in what order.

    Attributes:
        site: Name of the site.
        product: Key of the only product; empty for all.
        verdicts: The only verdicts, in the order of the rules; none for all.
        group: Only seats that this group grants; empty for all.
        days: Only seats with nothing done and no look told in so many days; 0 for all.
        search: Text that name, e-mail or account id must contain; empty for all.
        sort: By which column.
        descending: Whether the other way round: Z first, newest first.
        page: Number of the page, from 1.
    """

    site: str
    product: str = ""
    verdicts: tuple[Verdict, ...] = ()
    group: str = ""
    days: int = 0
    search: str = ""
    sort: SeatSort = SeatSort.VERDICT
    descending: bool = False
    page: int = 1

    @classmethod
    def read(cls, site: str, parameters: QueryParams) -> Self:
        """Read an address's query; whatever is not understood is as if it were not there."""

        def last(name: str) -> str:
            return (parameters.getlist(name) or [""])[-1]

        verdicts = set(parameters.getlist("verdict"))
        sort = last("sort")
        known = sort.removeprefix("-") in list(SeatSort)
        return cls(
            site=site,
            product=typed(last("product"))[:_LONGEST_KEY],
            verdicts=tuple(one for one in Verdict if one in verdicts),
            group=typed(last("group"))[:LONGEST_SEARCH].strip(),
            days=min(whole_number(last("days")), MOST_DAYS),
            search=typed(last("q"))[:LONGEST_SEARCH].strip(),
            sort=SeatSort(sort.removeprefix("-")) if known else SeatSort.VERDICT,
            descending=known and sort.startswith("-"),
            page=min(max(whole_number(last("page")), 1), MOST_PAGES),
        )

    @property
    def sorting(self) -> str:
        """How the address names the order, such as ``-did``."""
        return f"-{self.sort}" if self.descending else str(self.sort)

    @property
    def narrows(self) -> bool:
        """Whether it leaves any seat out."""
        return bool(self.product or self.verdicts or self.group or self.days or self.search)

    def link(self, path: str = "/seats", **changes: object) -> str:
        """Return the address of this view, or of one changed from it; any change but of the page begins at page 1."""
        if changes and "page" not in changes:
            changes["page"] = 1
        view = replace(self, **changes)  # type: ignore[arg-type]  # names and types are those of the fields
        every = [
            ("site", view.site),
            ("product", view.product),
            *(("verdict", str(one)) for one in view.verdicts),
            ("group", view.group),
            ("days", str(view.days)),
            ("q", view.search),
            ("sort", view.sorting),
            ("page", str(view.page) if path == "/seats" else "1"),
        ]
        plain = {"product": "", "group": "", "days": "0", "q": "", "sort": "verdict", "page": "1"}
        return f"{path}?" + urlencode([(name, value) for name, value in every if plain.get(name) != value])

    def only(self, product: str = "", *verdicts: str) -> str:
        """Return the address of all seats of a product and of verdicts, whatever else this one leaves out."""
        return type(self)(self.site, product, tuple(Verdict(one) for one in verdicts)).link()

    def sorted_by(self, column: str) -> str:
        """Return the address that a click on a column's head leads to: the other way round when it sorts already."""
        return self.link(sort=SeatSort(column), descending=not self.descending if column == self.sort else False)


_ORDER = {
    SeatSort.VERDICT: "product {way}, indexOf({{order:Array(String)}}, verdict) {way}, since {way}",
    SeatSort.NAME: "name = '', lowerUTF8(name) {way}",
    SeatSort.DID: "did_at {way} NULLS {nulls}",
    SeatSort.LOOKED: "looked_at {way} NULLS {nulls}",
    SeatSort.HELD: "holds_since {way} NULLS {nulls}",
}
"""What each order is in SQL; the first is that of the report."""

_FOUND = """
WITH (SELECT (any(toString(timezone)), any(today)) FROM site_days WHERE site = {site:String}) AS here
SELECT %s
FROM seats
WHERE site = {site:String} AND (empty({product:String}) OR product = {product:String})
    AND (empty({verdicts:Array(String)}) OR has({verdicts:Array(String)}, verdict))
    AND (empty({group:String}) OR has(granted_by, {group:String}))
    AND ({days:UInt32} = 0 OR ifNull(toDate(formatDateTime(
        greatest(ifNull(did_at, looked_at), ifNull(looked_at, did_at)), '%%F', here.1)) <= here.2 - {days:UInt32}, 1))
    AND (empty({search:String}) OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
        OR positionCaseInsensitiveUTF8(ifNull(email, ''), {search:String}) > 0
        OR positionCaseInsensitiveUTF8(account_id, {search:String}) > 0)
"""
_COLUMNS = ", ".join(SEATS)
_COUNT = _FOUND % "count() AS found"

_GROUPS = """
SELECT DISTINCT toString(group) AS name FROM directory_grants
WHERE site = {site:String} AND snapshot_id IN (SELECT snapshot_id FROM current_parts WHERE site = {site:String})
ORDER BY name LIMIT 500
"""


@dataclass(frozen=True, slots=True)
class SeatList:
    """A page of the list.

    Attributes:
        query: The query answered; its page is the last one where the request's lies behind it.
        rows: The seats of the page, with the columns of ``rollcall report seats``.
        total: How many there are on all pages.
    """

    query: SeatQuery
    rows: Sequence[Row]
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, ceil(self.total / PAGE_SIZE))

    @property
    def first(self) -> int:
        """Number of the first seat on this page, from 1."""
        return (self.query.page - 1) * PAGE_SIZE + 1


async def read_seat_list(warehouse: Warehouse, query: SeatQuery) -> SeatList:
    """Read a page of seats. Raises WarehouseUnavailableError."""
    rows = await _page(warehouse, query)
    total = (rows or await warehouse.query(_COUNT, _parameters(query)))[0]["found"]
    found = SeatList(query, rows, total)
    if rows or query.page <= found.pages:
        return found
    last = replace(query, page=found.pages)
    return SeatList(last, await _page(warehouse, last), total)


async def read_groups(warehouse: Warehouse, site: str) -> list[str]:
    """Read the names of the groups that grant a product. Raises WarehouseUnavailableError."""
    return [row["name"] for row in await warehouse.query(_GROUPS, {"site": site})]


async def _page(warehouse: Warehouse, query: SeatQuery) -> list[Row]:
    chosen = _listing(query, f"{_COLUMNS}, count() OVER () AS found") + " LIMIT {limit:UInt32} OFFSET {offset:UInt32}"
    window = {"limit": PAGE_SIZE, "offset": (query.page - 1) * PAGE_SIZE}
    return await warehouse.query(chosen, {**_parameters(query), **window})


def _listing(query: SeatQuery, columns: str) -> str:
    way, nulls = ("DESC", "LAST") if query.descending else ("ASC", "FIRST")
    return f"{_FOUND % columns} ORDER BY {_ORDER[query.sort].format(way=way, nulls=nulls)}, account_id, product"


def _parameters(query: SeatQuery) -> dict[str, Any]:
    return {
        "site": query.site,
        "product": query.product,
        "verdicts": [str(one) for one in query.verdicts],
        "group": query.group,
        "days": query.days,
        "search": query.search,
        "order": [*VERDICTS],
    }


_MOMENTS = ("since", "did_at", "did_elsewhere_at", "looked_at", "looked_as_of", "holds_since")


class SeatExport:
    """All seats that a query finds, whatever its page, in the order of the list.

    Args:
        lines: A JSON object a line, as ClickHouse writes them.
    """

    def __init__(self, lines: bytes) -> None:
        self._lines = lines
        self.total = lines.count(b"\n")

    def csv(self) -> Iterator[bytes]:
        """Return what ``rollcall report seats --format csv`` prints of them, part by part."""
        return (line.encode() for line in csv_lines(self._rows(), SEATS))

    def json(self) -> Iterator[bytes]:
        """Return what ``rollcall report seats --format json`` prints of them, part by part."""
        return json_parts(self._rows())

    def _rows(self) -> Iterator[Row]:
        """Read one line after the other: a hundred thousand rows at once would be many times their text."""
        start = 0
        while (end := self._lines.find(b"\n", start)) >= 0:
            row: Row = msgspec.json.decode(self._lines[start:end])
            for name in _MOMENTS:
                row[name] = row[name] and f"{row[name].replace(' ', 'T')}Z"  # in UTC to the millisecond
            yield row
            start = end + 1


async def read_seat_export(warehouse: Warehouse, query: SeatQuery) -> SeatExport:
    """Read all seats that a query finds. Raises WarehouseUnavailableError."""
    return SeatExport(await warehouse.fetch(_listing(query, _COLUMNS), "JSONEachRow", _parameters(query)))
