"""``rollcall report``: every report, where it comes from, and how it is printed.

A report is one query a site, over the site's own days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
        sql: A query with the parameters ``site``, ``days`` (how many), ``today`` (the site's) and ``all_accounts``.
        when_empty: What to do when there are no rows.
    """

    columns: tuple[str, ...]
    sql: str
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
    sql=f"""
    SELECT * FROM user_usage(days = {{days:UInt32}})
    WHERE site = {{site:String}} AND {_PEOPLE}
    ORDER BY last_active_at DESC NULLS LAST, account_id
    """,  # noqa: S608 - constants of this file
)

LICENSES = Report(
    columns=("site", "product", "seats", "assigned", "active", "idle"),
    sql="SELECT * FROM license_usage(days = {days:UInt32}) WHERE site = {site:String} ORDER BY product",
    when_empty=_NO_DIRECTORY,
)

IDLE = Report(
    columns=("site", "product", "account_id", "name", "email", "last_active_at", "days_idle"),
    sql="""
    SELECT * FROM idle_licenses_over(days = {days:UInt32})
    WHERE site = {site:String}
    ORDER BY product, days_idle DESC NULLS FIRST, account_id
    """,
    when_empty=f"either nobody is idle, or {_NO_DIRECTORY}",
)

COVERAGE = Report(
    columns=("site", "day", "known", "by_webhook", "share"),
    sql=f"SELECT * FROM webhook_coverage_daily WHERE {_WINDOW} ORDER BY day",  # noqa: S608 - constants of this file
    when_empty="it compares with Jira's REST API, which `rollcall reconcile` asks",
)

MOST_DAYS = 10_000
"""Reaches back beyond the first fact that is taken (2002), and not below 1970, where a Date would wrap around."""

app = typer.Typer(no_args_is_help=True, help="Print who was active, and which seats nobody uses.")

Days = Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Today and the days before it, in the site's time zone.")]
AllAccounts = Annotated[bool, typer.Option("--all-accounts", help="Show apps and portal customers beside people.")]


def _report(
    config: Path | None, report: Report, site: str | None, days: int, form: OutputFormat, everybody: bool
) -> None:
    async def body(settings: Settings) -> int:
        sites = site_names(settings, site)
        async with opened_for_reading(settings, "rollcall report") as warehouse:
            rows = await read_report(warehouse, report, sites, days, all_accounts=everybody)
        print_rows(rows, report.columns, form)
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
        form: FormatOption = OutputFormat.TABLE,
        everybody: AllAccounts = False,
        config: Config = None,
    ) -> None:
        _report(config, report, site, days, form, everybody)


def _of_site(name: str, report: Report, told: str) -> None:
    """Add a command about a site as a whole, where apps and portal customers never count."""

    @app.command(name, help=told)
    def command(
        site: SiteOption = None, days: Days = 30, form: FormatOption = OutputFormat.TABLE, config: Config = None
    ) -> None:
        _report(config, report, site, days, form, False)


_of_people("days", DAYS, "Who was active on which day, and with what: comments, issue history, worklogs.")
_of_people(
    "users",
    USERS,
    "Everybody known, with licenses, roles and last activity. Reading leaves no trace: ask before you take a seat.",
)
_of_site("licenses", LICENSES, "Seats of each product: how many there are, are assigned, and were used.")
_of_site(
    "idle",
    IDLE,
    "People who hold a product and of whom no activity was seen. They may still read: ask before you take a seat.",
)
_of_site("coverage", COVERAGE, "Of the facts that Jira's REST API knows, how many a webhook had brought.")
