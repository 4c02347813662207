"""``rollcall report``: every report, where it comes from, and how it is printed.

A report is one query a site, over the site's own days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, Config, SiteOption, print_error, run_command, site_names
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        columns: Names of its columns, in order; all are columns of the query.
        first: The most telling of them: a terminal shows as many as fit, these first.
        sql: A query with the parameters ``site``, ``days`` (how many), ``today`` (the site's) and ``all_accounts``.
        when_empty: What to do when there are no rows.
    """

    columns: tuple[str, ...]
    sql: str
    first: tuple[str, ...] = ()
    when_empty: str = "--days looks further back, `rollcall check` finds what is wrong"


async def read_report(
    warehouse: Warehouse, report: Report, sites: Sequence[str], days: int, *, all_accounts: bool
) -> list[Row]:
    """Read a report of some sites.

    Args:
        warehouse: Where.
        report: Which.
        sites: Names of the sites.
        days: How many days: today, in the site's reporting time zone, and those before it.
        all_accounts: Whether apps and portal customers are shown beside people.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    today = {row["site"]: row["today"] for row in await warehouse.query("SELECT site, today FROM site_days")}
    rows: list[Row] = []
    for site in sites:
        if site in today:
            parameters: dict[str, Any] = {
                "site": site, "days": days, "today": today[site], "all_accounts": int(all_accounts)
            }  # fmt: skip
            rows += await warehouse.query(report.sql, parameters)
    return rows


_PEOPLE = "(account_type = 'atlassian' OR {all_accounts:UInt8} = 1)"
_NO_DIRECTORY = "no reconcile run has read the site's licenses yet: `rollcall reconcile` does"
_WINDOW = "site = {site:String} AND {today:Date} - day < {days:UInt32} AND day <= {today:Date}"

DAYS = Report(
    columns=("site", "day", "account_id", "comment", "history", "worklog", "first_at", "last_at"),
    first=("day", "account_id", "comment", "history", "worklog"),
    sql=f"""
    SELECT site, day, account_id, comment, history, worklog, first_at, last_at
    FROM user_days
    WHERE {_WINDOW} AND (site, account_id) IN (SELECT site, account_id FROM accounts WHERE {_PEOPLE})
    ORDER BY day, account_id
    """,  # noqa: S608 - constants of this file
)

USERS = Report(
    columns=(
        "site",
        "account_id",
        "name",
        "email",
        "account_type",
        "status",
        "licenses",
        "roles",
        "last_active_at",
        "active_days",
        "comments",
        "changes",
        "worklogs",
    ),
    first=("name", "last_active_at", "active_days", "licenses", "status", "comments", "changes", "worklogs", "email"),
    sql=f"""
    SELECT * FROM user_usage(days = {{days:UInt32}})
    WHERE site = {{site:String}} AND {_PEOPLE}
    ORDER BY last_active_at DESC NULLS LAST, account_id
    """,  # noqa: S608 - constants of this file
)

LICENSES = Report(
    columns=("site", "product", "seats", "assigned", "active", "idle"),
    first=("product",),
    sql="SELECT * FROM license_usage(days = {days:UInt32}) WHERE site = {site:String} ORDER BY product",
    when_empty=_NO_DIRECTORY,
)

IDLE = Report(
    columns=("site", "product", "account_id", "name", "email", "last_active_at", "days_idle"),
    first=("name", "product", "days_idle", "last_active_at", "email"),
    sql="""
    SELECT * FROM idle_licenses_over(days = {days:UInt32})
    WHERE site = {site:String}
    ORDER BY product, days_idle DESC NULLS FIRST, account_id
    """,
    when_empty=f"either nobody is idle, or {_NO_DIRECTORY}",
)

COVERAGE = Report(
    columns=("site", "day", "known", "by_webhook", "share"),
    first=("day", "share"),
    sql=f"SELECT * FROM webhook_coverage_daily WHERE {_WINDOW} ORDER BY day",  # noqa: S608 - constants of this file
    when_empty="it compares with Jira's REST API, which `rollcall reconcile` asks",
)

MOST_DAYS = 10_000
"""Reaches back beyond the first fact that is taken (2002), and not below 1970, where a Date would wrap around."""

app = typer.Typer(no_args_is_help=True, help="Print who was active, and which seats nobody uses.")

Days = Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Today and the days before it, in the site's time zone.")]
AllAccounts = Annotated[bool, typer.Option("--all-accounts", help="Show apps and portal customers beside people.")]
SortOption = Annotated[
    str | None, typer.Option("--sort", help="Order by this column; with - before it, the greatest first. NULL is last.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="The first so many rows only.")]
ProductOption = Annotated[str, typer.Option("--product", help="Only this product, by its key, such as jira-software.")]


def check_sort(sort: str | None, columns: Sequence[str]) -> None:
    """Refuse an order by a column that there is not.

    Raises:
        typer.BadParameter: There is no such column.
    """
    if sort and sort.removeprefix("-") not in columns:
        raise typer.BadParameter(f"{sort}: no such column; there are {', '.join(columns)}", param_hint="--sort")


def chosen(rows: Sequence[Row], sort: str | None, limit: int | None) -> list[Row]:
    """Return the rows in the order that is asked for, those without a value last, and not more than asked for."""
    found = list(rows)
    if sort:
        name = sort.removeprefix("-")
        known = sorted((row for row in found if row[name] is not None), key=itemgetter(name), reverse=sort[0] == "-")
        found = known + [row for row in found if row[name] is None]
    return found[:limit]


def by_weight(rows: Sequence[Row], columns: Sequence[str], first: Sequence[str]) -> list[str]:
    """Return the columns as a terminal shows them: the site first where there are several, else last."""
    several = len({row["site"] for row in rows}) > 1
    rest = [name for name in columns if name not in first and name != "site"]
    return ["site", *first, *rest] if several else [*first, *rest, "site"]


def _report(
    config: Path | None,
    report: Report,
    site: str | None,
    days: int,
    form: OutputFormat,
    sort: str | None,
    limit: int | None,
    *,
    product: str = "",
    everybody: bool = False,
) -> None:
    check_sort(sort, report.columns)

    async def body(settings: Settings) -> int:
        sites = site_names(settings, site)
        async with opened_for_reading(settings, "rollcall report") as warehouse:
            rows = await read_report(warehouse, report, sites, days, all_accounts=everybody)
        rows = chosen([row for row in rows if product in ("", row.get("product"))], sort, limit)
        print_rows(rows, report.columns, form, by_weight(rows, report.columns, report.first))
        if not rows:
            print_error(f"nothing to show for the last {days} days; {report.when_empty}")
        return DONE

    run_command(config, body)


def _of_people(name: str, report: Report, told: str) -> None:
    """Add a command whose rows are people, or their days."""

    @app.command(name, help=told)
    def command(
        site: SiteOption = None,
        days: Days = 30,
        sort: SortOption = None,
        limit: LimitOption = None,
        form: FormatOption = OutputFormat.TABLE,
        everybody: AllAccounts = False,
        config: Config = None,
    ) -> None:
        _report(config, report, site, days, form, sort, limit, everybody=everybody)


def _of_products(name: str, report: Report, told: str) -> None:
    """Add a command about products, where apps and portal customers never count."""

    @app.command(name, help=told)
    def command(
        site: SiteOption = None,
        product: ProductOption = "",
        days: Days = 30,
        sort: SortOption = None,
        limit: LimitOption = None,
        form: FormatOption = OutputFormat.TABLE,
        config: Config = None,
    ) -> None:
        _report(config, report, site, days, form, sort, limit, product=product)


@app.command("coverage")
def _coverage(
    site: SiteOption = None,
    days: Days = 30,
    sort: SortOption = None,
    limit: LimitOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Of the facts that Jira's REST API knows, how many a webhook had brought."""
    _report(config, COVERAGE, site, days, form, sort, limit)


_of_people("days", DAYS, "Who was active on which day, and with what: comments, issue history, worklogs.")
_of_people(
    "users",
    USERS,
    "Everybody known, with licenses, roles and last activity. Reading leaves no trace: ask before you take a seat.",
)
_of_products("licenses", LICENSES, "Seats of each product: how many there are, are assigned, and were used.")
_of_products(
    "idle",
    IDLE,
    "People who hold a product and of whom no activity was seen. They may still read: ask before you take a seat.",
)
