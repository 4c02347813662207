"""The people of a site, a page of them at a time, searched, sorted and cut by the warehouse."""

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any

from console.page.headcounts import DAYS
from console.page.wanted import PAGE_SIZE, Show, Sort, Wanted
from rollcall.warehouse import Row, Warehouse

_ORDER = {
    Sort.NAME: "name = '', lowerUTF8(name) {way}",
    Sort.EMAIL: "email IS NULL, lowerUTF8(email) {way}",
    Sort.LAST_ACTIVITY: "last_active_at {way} NULLS {nulls}",
    Sort.ACTIVE_DAYS: "active_days {way}",
    Sort.COMMENTS: "comments {way}",
    Sort.CHANGES: "changes {way}",
    Sort.WORKLOGS: "worklogs {way}",
    Sort.LICENSES: "empty(licenses), licenses {way}",
    Sort.STATUS: "status {way}",
}
"""What each order is in SQL; who lacks a name, an address or a license comes last either way."""

_MATCHING = """
    FROM user_usage(days = {days:UInt32})
    WHERE site = {site:String} AND account_type = 'atlassian'
        AND ({search:String} = '' OR positionCaseInsensitiveUTF8(name, {search:String}) > 0
            OR positionCaseInsensitiveUTF8(ifNull(email, ''), {search:String}) > 0
            OR positionCaseInsensitiveUTF8(account_id, {search:String}) > 0)
"""

_LISTING = f"""
SELECT * FROM
(
    SELECT
        account_id, name, email, status, licenses, last_active_at, active_days, comments, changes, worklogs,
        count() OVER () AS all_matching, countIf(active_days > 0) OVER () AS active_matching
    {_MATCHING}
)
WHERE {{show:String}} = 'all' OR (active_days > 0) = ({{show:String}} = 'active')
ORDER BY %s, account_id
LIMIT {{limit:UInt32}} OFFSET {{offset:UInt32}}
"""  # noqa: S608 - constants of this file

_TOTALS = f"SELECT count() AS all_matching, countIf(active_days > 0) AS active_matching {_MATCHING}"


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the table; what is counted is of the last 30 days."""

    account_id: str
    name: str
    email: str | None
    status: str
    licenses: list[str]
    last_active_at: datetime | None
    active_days: int
    comments: int
    changes: int
    worklogs: int


@dataclass(frozen=True, slots=True)
class People:
    """A page of the table.

    Attributes:
        wanted: The view, its page moved to the last one when the page asked for lies behind it.
        rows: The people of the page.
        totals: How many people match the search, by what may be shown.
    """

    wanted: Wanted
    rows: tuple[Person, ...]
    totals: dict[Show, int]

    @property
    def total(self) -> int:
        """How many people the view lists on all its pages."""
        return self.totals[self.wanted.show]

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, ceil(self.total / PAGE_SIZE))

    @property
    def first(self) -> int:
        """Number of the first person on this page, from 1."""
        return (self.wanted.page - 1) * PAGE_SIZE + 1


async def read_people(warehouse: Warehouse, wanted: Wanted) -> People:
    """Read a page of people. Raises WarehouseUnavailableError."""
    rows = await _page(warehouse, wanted)
    found = rows[0] if rows else (await warehouse.query(_TOTALS, _parameters(wanted)))[0]
    everybody, active = found["all_matching"], found["active_matching"]
    totals = {Show.ALL: everybody, Show.ACTIVE: active, Show.UNSEEN: everybody - active}
    people = People(wanted, tuple(_person(row) for row in rows), totals)
    if rows or wanted.page <= people.pages:
        return people
    last = replace(wanted, page=people.pages)
    return People(last, tuple(_person(row) for row in await _page(warehouse, last)), totals)


async def _page(warehouse: Warehouse, wanted: Wanted) -> list[Row]:
    way, nulls = ("DESC", "LAST") if wanted.descending else ("ASC", "FIRST")
    order = _ORDER[wanted.sort].format(way=way, nulls=nulls)
    parameters = _parameters(wanted)
    return await warehouse.query(_LISTING % order, parameters)


def _parameters(wanted: Wanted) -> dict[str, Any]:
    return {
        "site": wanted.site,
        "days": DAYS,
        "search": wanted.search,
        "show": str(wanted.show),
        "limit": PAGE_SIZE,
        "offset": (wanted.page - 1) * PAGE_SIZE,
    }


def _person(row: Row) -> Person:
    return Person(**{name: row[name] for name in Person.__slots__})
