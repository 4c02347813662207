"""The people of a site: the query of their table in the address, the page that is found for it, and one person alone.

A query is read from the address and written back into links. Search, order and paging are the warehouse's work.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from math import ceil
from typing import Any, Self
from urllib.parse import urlencode

from console.web.overview import CHART_DAYS
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.seats import SEATS

PAGE_SIZE = 50
FAMILIES = ("comment", "history", "worklog")
LONGEST_SEARCH = 200
MOST_PAGES = 100_000
_UNTYPEABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")


def typed(text: str) -> str:
    """Return text of an address as somebody can have typed it: what no keyboard gives is a blank."""
    return _UNTYPEABLE.sub(" ", text)


def whole_number(text: str) -> int:
    """Read a number of an address; 0 where it is none."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else 0


class Show(StrEnum):
    """Which people to list."""

    ALL = "all"
    ACTIVE = "active"
    UNSEEN = "unseen"


class Sort(StrEnum):
    """What to list people by: one of each column."""

    NAME = "name"
    EMAIL = "email"
    LAST_ACTIVITY = "last_activity"
    ACTIVE_DAYS = "active_days"
    COMMENTS = "comments"
    CHANGES = "changes"
    WORKLOGS = "worklogs"
    LICENSES = "licenses"
    STATUS = "status"


LARGEST_FIRST = frozenset({Sort.LAST_ACTIVITY, Sort.ACTIVE_DAYS, Sort.COMMENTS, Sort.CHANGES, Sort.WORKLOGS})
"""Columns whose first click lists the largest first."""


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Which people to list, and in what order.

    Attributes:
        site: Name of the site.
        search: Text that name, e-mail or account id must contain; empty for all.
        show: Which people.
        sort: By which column.
        descending: Whether the largest come first.
        page: Number of the page, from 1.
    """

    site: str
    search: str = ""
    show: Show = Show.ALL
    sort: Sort = Sort.LAST_ACTIVITY
    descending: bool = True
    page: int = 1

    @classmethod
    def read(cls, site: str, parameters: Mapping[str, str]) -> Self:
        """Read an address's query; whatever is not understood is as if it were not there."""
        search = typed(parameters.get("q", ""))[:LONGEST_SEARCH].strip()
        show = parameters.get("show", "")
        sort = parameters.get("sort", "")
        name = sort.removeprefix("-")
        page = parameters.get("page", "")
        known = name in list(Sort)
        return cls(
            site=site,
            search=search,
            show=Show(show) if show in list(Show) else Show.ALL,
            sort=Sort(name) if known else Sort.LAST_ACTIVITY,
            descending=sort.startswith("-") if known else True,
            page=min(max(whole_number(page), 1), MOST_PAGES),
        )

    @property
    def sorting(self) -> str:
        """How the address names the order, such as ``-active_days``."""
        return f"-{self.sort}" if self.descending else str(self.sort)

    def link(self, **changes: object) -> str:
        """Return the address of this view, or of one changed from it; any change but of the page begins at page 1."""
        if changes and "page" not in changes:
            changes["page"] = 1
        view = replace(self, **changes)  # type: ignore[arg-type]  # names and types are those of the fields
        query = {"site": view.site, "q": view.search, "show": view.show, "sort": view.sorting, "page": str(view.page)}
        plain = {"q": "", "show": "all", "sort": "-last_activity", "page": "1"}
        return "/?" + urlencode({name: value for name, value in query.items() if plain.get(name) != value}) + "#people"

    def sorted_by(self, column: Sort) -> str:
        """Return the address that a click on a column's head leads to: the other way round when it sorts already."""
        descending = not self.descending if column is self.sort else column in LARGEST_FIRST
        return self.link(sort=column, descending=descending)


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
class PersonRow:
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
        query: The query answered; its page is the last one where the request's lies behind it.
        rows: The people of the page.
        totals: How many people match the search, by what may be shown.
    """

    query: TableQuery
    rows: tuple[PersonRow, ...]
    totals: dict[Show, int]

    @property
    def total(self) -> int:
        """How many people the view lists on all its pages."""
        return self.totals[self.query.show]

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, ceil(self.total / PAGE_SIZE))

    @property
    def first(self) -> int:
        """Number of the first person on this page, from 1."""
        return (self.query.page - 1) * PAGE_SIZE + 1


async def read_people(warehouse: Warehouse, query: TableQuery) -> People:
    """Read a page of people. Raises WarehouseUnavailableError."""
    rows = await _page(warehouse, query)
    found = rows[0] if rows else (await warehouse.query(_TOTALS, _parameters(query)))[0]
    everybody, active = found["all_matching"], found["active_matching"]
    totals = {Show.ALL: everybody, Show.ACTIVE: active, Show.UNSEEN: everybody - active}
    people = People(query, tuple(_person(row) for row in rows), totals)
    if rows or query.page <= people.pages:
        return people
    last = replace(query, page=people.pages)
    return People(last, tuple(_person(row) for row in await _page(warehouse, last)), totals)


async def _page(warehouse: Warehouse, query: TableQuery) -> list[Row]:
    way, nulls = ("DESC", "LAST") if query.descending else ("ASC", "FIRST")
    order = _ORDER[query.sort].format(way=way, nulls=nulls)
    parameters = _parameters(query)
    return await warehouse.query(_LISTING % order, parameters)


def _parameters(query: TableQuery) -> dict[str, Any]:
    return {
        "site": query.site,
        "days": CHART_DAYS,
        "search": query.search,
        "show": str(query.show),
        "limit": PAGE_SIZE,
        "offset": (query.page - 1) * PAGE_SIZE,
    }


def _person(row: Row) -> PersonRow:
    return PersonRow(**{name: row[name] for name in PersonRow.__slots__})


YEAR_DAYS = 365
LONGEST_ACCOUNT = 128

_ACCOUNT = """
SELECT account_id, name, email, account_type, status, roles, last_active_at
FROM user_usage(days = 1) WHERE site = {site:String} AND account_id = {account:String}
"""
_DAYS = """
SELECT day, comment, history, worklog FROM user_days
WHERE site = {site:String} AND account_id = {account:String}
    AND day > {today:Date} - {days:UInt32} AND day <= {today:Date}
ORDER BY day
"""
_SPAN = """
SELECT any(days.today) AS today, (SELECT minOrNull(day) FROM user_day_states WHERE site = {site:String}) AS first
FROM site_days AS days WHERE days.site = {site:String}
"""
_SEATS = f"""
SELECT {", ".join(SEATS)} FROM seats WHERE site = {{site:String}} AND account_id = {{account:String}} ORDER BY product
"""  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Person:
    """An account with the last year of its active days, its seats, groups and roles.

    Attributes:
        account: The columns of ``rollcall report users`` that do not count anything.
        today: The site's.
        known_since: The first day of which the site has a fact; None without any.
        active: The active days of the last year, with their families.
        seats: Its seats, with the columns of ``rollcall report seats``.
    """

    account: Row
    today: date
    known_since: date | None
    active: Mapping[date, frozenset[str]]
    seats: Sequence[Row]

    @property
    def roles(self) -> list[tuple[str, list[str]]]:
        """Its groups and roles by their scope, such as ``group``, both in the order of their names."""
        found: dict[str, list[str]] = {}
        for one in self.account["roles"]:
            role, _, scope = one.removesuffix(")").rpartition(" (")
            found.setdefault(scope, []).append(role)
        return sorted((scope, sorted(roles)) for scope, roles in found.items())


async def read_person(warehouse: Warehouse, site: str, account: str) -> Person | None:
    """Read one account of a site; None where none has that id. Raises WarehouseUnavailableError."""
    who: dict[str, Any] = {"site": site, "account": account}
    found = await warehouse.query(_ACCOUNT, who)
    if not found:
        return None
    span = (await warehouse.query(_SPAN, who))[0]
    days = await warehouse.query(_DAYS, {**who, "today": span["today"], "days": YEAR_DAYS})
    active = {row["day"]: frozenset(name for name in FAMILIES if row[name]) for row in days}
    return Person(found[0], span["today"], span["first"], active, await warehouse.query(_SEATS, who))
