"""``rollcall report``: what each report takes on the command line, and how it is printed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, Config, SiteOption, print_error, run_command, site_names
from console.reports import COVERAGE, DAYS, IDLE, LICENSES, MOST_DAYS, USERS, Report, read_report
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings
from rollcall.warehouse import Row, Slice

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
    return Slice(sort or "", limit).of(rows)


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
            rows = await read_report(warehouse, report, sites, days, all_accounts=everybody, product=product)
        rows = chosen(rows, sort, limit)
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
