"""The reports: what each takes, what a row of it is, and where it is read, for the command and the API alike.

A report is one query a site, over the site's own days. What it takes and its rows are declared once, as structs: the
columns are their names, the API checks what it is asked by them, and its description is written from them.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from msgspec import Meta, Struct

from rollcall.settings import Settings
from rollcall.warehouse import WHOLE, Row, Slice, Warehouse
from rollcall.warehouse.robots import LEAST_DAYS, RobotRow, read_robots
from rollcall.warehouse.seats import Moment, SeatRow, Verdict, read_savings, read_seats, read_thresholds

MOST_DAYS = 10_000
"""Reaches back beyond the first fact that is taken (2002), and not below 1970, where a Date would wrap around."""

# ---- Rows ----

Money = float
"""As the structs describe it: a number of JSON, digit by digit as it was computed."""


class DayRow(Struct, kw_only=True):
    """Somebody's active day, and with what they were active."""

    site: str
    day: date
    account_id: str
    comment: bool
    history: bool
    worklog: bool
    first_at: Moment
    last_at: Moment


class AccountRow(Struct, kw_only=True):
    """An account, as the directory and the facts know it."""

    site: str
    account_id: str
    name: str
    email: str | None
    account_type: str
    status: str


class UserRow(AccountRow, kw_only=True):
    """An account; what is counted is of the days asked for."""

    licenses: list[str]
    roles: list[str]
    last_active_at: Moment | None
    active_days: int
    comments: int
    changes: int
    worklogs: int


class LicenseRow(Struct, kw_only=True):
    """A product's seats; active and idle are of the days asked for."""

    site: str
    product: str
    seats: int | None
    assigned: int
    active: int
    idle: int


class IdleRow(Struct, kw_only=True):
    """A product that somebody holds of whom no activity was seen in the days asked for."""

    site: str
    product: str
    account_id: str
    name: str
    email: str | None
    last_active_at: Moment | None
    days_idle: int | None


class CoverageRow(Struct, kw_only=True):
    """Of a day's facts that Jira's REST API knows, how many a webhook had brought."""

    site: str
    day: date
    known: int
    by_webhook: int
    share: float | None


class SavingsRow(Struct, kw_only=True):
    """A product's seats by verdict, its bill now and without those that nobody uses; no money without prices."""

    site: str
    product: str
    currency: str | None
    period: str | None
    seats: int | None
    held: int
    active: int
    reader: int
    exempt: int
    new: int
    unseen: int
    never: int
    idle: int
    reclaimable: int
    bill: Money | None
    bill_after: Money | None
    saving: Money | None
    saving_from: date | None


class ThresholdRow(Struct, kw_only=True):
    """Of those who reached so many days without an act, how many came back within 30; and which seats it would free."""

    site: str
    days: int
    reached: int
    returned: int
    share: float | None
    idle_now: int
    reclaimable: int
    unseen: int
    savings: list[str]


# ---- What narrows a report ----

_Days = Annotated[
    int, Meta(ge=1, le=MOST_DAYS, description="Today and the days before it, in the site's reporting time zone.")
]
_Product = Annotated[
    str,
    Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="Only this product, by its key; all where empty."),
]


class Everything(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing narrows it."""


class OfDays(Everything, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last days."""

    days: _Days = 30


class OfPeople(OfDays, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People in the last days."""

    all_accounts: Annotated[bool, Meta(description="Whether apps and portal customers are there beside people.")] = (
        False
    )


class OfProducts(OfDays, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Products in the last days."""

    product: _Product = ""


class OfRobots(Everything, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts that hold a product, in the last days."""

    days: Annotated[
        int,
        Meta(
            ge=LEAST_DAYS, le=MOST_DAYS, description="Today and the days before it, in the site's reporting time zone."
        ),
    ] = 30
    product: _Product = ""


class OfSeats(Everything, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seats."""

    product: _Product = ""
    verdict: Annotated[
        tuple[Verdict, ...], Meta(max_length=20, description="Only these verdicts; may be given several times.")
    ] = ()
    days: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_DAYS,
            description="Only who neither did nor looked at anything in the product for so many days.",
        ),
    ] = 0


class OfSavings(Everything, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Products."""

    product: _Product = ""


# ---- Reports of the warehouse's views ----


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        columns: Names of its columns, in order; all are columns of the query.
        first: The most telling of them: a terminal shows as many as fit, these first.
        sql: A query with the parameters ``site``, ``days`` (how many), ``today`` (the site's), ``all_accounts`` and
            ``product``.
        order: Its ORDER BY, in which no two rows are alike.
        when_empty: What to do when there are no rows.
    """

    columns: tuple[str, ...]
    sql: str
    order: str
    first: tuple[str, ...] = ()
    when_empty: str = "--days looks further back, `rollcall check` finds what is wrong"


async def read_report(
    warehouse: Warehouse,
    report: Report,
    sites: Sequence[str],
    days: int,
    *,
    all_accounts: bool = False,
    product: str = "",
    cut: Slice = WHOLE,
) -> list[Row]:
    """Read a report of some sites.

    Args:
        warehouse: Where.
        report: Which.
        sites: Names of the sites.
        days: How many days: today, in the site's reporting time zone, and those before it.
        all_accounts: Whether apps and portal customers are shown beside people.
        product: Key of the only product, of reports about products; empty for all.
        cut: Which of each site's rows.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    today = {row["site"]: row["today"] for row in await warehouse.query("SELECT site, today FROM site_days")}
    query = report.sql + cut.clause(report.order)
    rows: list[Row] = []
    for site in sites:
        if site in today:
            parameters: dict[str, Any] = {
                "site": site, "days": days, "today": today[site], "all_accounts": int(all_accounts), "product": product
            }  # fmt: skip
            rows += await warehouse.query(query, parameters)
    return rows


_PEOPLE = "(account_type = 'atlassian' OR {all_accounts:UInt8} = 1)"
_NO_DIRECTORY = "no reconcile run has read the site's licenses yet: `rollcall reconcile` does"
_WINDOW = "site = {site:String} AND {today:Date} - day < {days:UInt32} AND day <= {today:Date}"
_OF_PRODUCT = "site = {site:String} AND (empty({product:String}) OR product = {product:String})"

DAYS = Report(
    columns=DayRow.__struct_fields__,
    first=("day", "account_id", "comment", "history", "worklog"),
    sql=f"""
    SELECT site, day, account_id, comment, history, worklog, first_at, last_at
    FROM user_days
    WHERE {_WINDOW} AND (site, account_id) IN (SELECT site, account_id FROM accounts WHERE {_PEOPLE})
    """,  # noqa: S608 - constants of this file
    order="day, account_id",
)

USERS = Report(
    columns=UserRow.__struct_fields__,
    first=("name", "last_active_at", "active_days", "licenses", "status", "comments", "changes", "worklogs", "email"),
    sql=f"SELECT * FROM user_usage(days = {{days:UInt32}}) WHERE site = {{site:String}} AND {_PEOPLE}",  # noqa: S608 - constants
    order="last_active_at DESC NULLS LAST, account_id",
)

LICENSES = Report(
    columns=LicenseRow.__struct_fields__,
    first=("product",),
    sql=f"SELECT * FROM license_usage(days = {{days:UInt32}}) WHERE {_OF_PRODUCT}",  # noqa: S608 - constants of here
    order="product",
    when_empty=_NO_DIRECTORY,
)

IDLE = Report(
    columns=IdleRow.__struct_fields__,
    first=("name", "product", "days_idle", "last_active_at", "email"),
    sql=f"SELECT * FROM idle_licenses_over(days = {{days:UInt32}}) WHERE {_OF_PRODUCT}",  # noqa: S608 - constants
    order="product, days_idle DESC NULLS FIRST, account_id",
    when_empty=f"either nobody is idle, or {_NO_DIRECTORY}",
)

COVERAGE = Report(
    columns=CoverageRow.__struct_fields__,
    first=("day", "share"),
    sql=f"SELECT * FROM webhook_coverage_daily WHERE {_WINDOW}",  # noqa: S608 - constants of this file
    order="day",
    when_empty="it compares with Jira's REST API, which `rollcall reconcile` asks",
)

# ---- All of them, as programs ask for them ----

Read = Callable[[Warehouse, Settings, str, Any, Slice], Coroutine[Any, Any, list[Row]]]
"""Reads a site's rows; the fourth is what narrows them."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A report as programs ask for it, by the name that `rollcall report` has for it.

    Attributes:
        row: What a row is: its fields are the columns, in order.
        takes: What narrows it.
        read: Reads it. Raises WarehouseUnavailableError.
        of_persons: Whether its rows are about persons, and not sums of many.
    """

    row: type[Struct]
    takes: type[Everything]
    read: Read
    of_persons: bool


def _reading(report: Report) -> Read:
    async def read(warehouse: Warehouse, _: Settings, site: str, only: Any, cut: Slice) -> list[Row]:
        narrowed = {name: getattr(only, name) for name in only.__struct_fields__}
        return await read_report(warehouse, report, [site], cut=cut, **narrowed)

    return read


async def _read_seats(warehouse: Warehouse, _: Settings, site: str, only: OfSeats, cut: Slice) -> list[Row]:
    return await read_seats(warehouse, [site], only.product, only.verdict, only.days, cut)


async def _read_savings(warehouse: Warehouse, settings: Settings, site: str, only: OfSavings, cut: Slice) -> list[Row]:
    return cut.of(await read_savings(warehouse, settings.seats, [site], only.product))


async def _read_thresholds(
    warehouse: Warehouse, settings: Settings, site: str, only: OfSavings, cut: Slice
) -> list[Row]:
    return cut.of(await read_thresholds(warehouse, settings.seats, [site], only.product))


async def _read_robots(warehouse: Warehouse, _: Settings, site: str, only: OfRobots, cut: Slice) -> list[Row]:
    return cut.of(await read_robots(warehouse, [site], only.days, only.product))


@dataclass(frozen=True, slots=True)
class Asked:
    """A report of a site as it is asked for.

    Attributes:
        site: Name of the site.
        report: Name of the report.
        only: What narrows it, of the kind that the report takes.
        cut: Which of its rows.
    """

    site: str
    report: str
    only: Everything
    cut: Slice = WHOLE


REPORTS: Mapping[str, Declaration] = {
    "users": Declaration(UserRow, OfPeople, _reading(USERS), of_persons=True),
    "days": Declaration(DayRow, OfPeople, _reading(DAYS), of_persons=True),
    "licenses": Declaration(LicenseRow, OfProducts, _reading(LICENSES), of_persons=False),
    "idle": Declaration(IdleRow, OfProducts, _reading(IDLE), of_persons=True),
    "coverage": Declaration(CoverageRow, OfDays, _reading(COVERAGE), of_persons=False),
    "seats": Declaration(SeatRow, OfSeats, _read_seats, of_persons=True),
    "savings": Declaration(SavingsRow, OfSavings, _read_savings, of_persons=False),
    "thresholds": Declaration(ThresholdRow, OfSavings, _read_thresholds, of_persons=False),
    "robots": Declaration(RobotRow, OfRobots, _read_robots, of_persons=True),
}
"""Every report of the command."""
