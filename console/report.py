"""``rollcall report``: the rollups, printed."""

from pathlib import Path
from typing import Annotated

import typer

from console.command import DONE, Config, complain, run, site_names
from console.formats import Format, print_rows
from console.reading import open_for_reading
from console.reports import catalog
from console.reports.report import Report, read_report
from rollcall.settings import Settings

MOST_DAYS = 10_000
"""Reaches back beyond the first fact that is taken (2002), and not below 1970, where a Date would wrap around."""

app = typer.Typer(no_args_is_help=True, help="Print who was active, and which seats nobody uses.")

Site = Annotated[str | None, typer.Option(help="Only this site of the settings.")]
Days = Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Today and the days before it, in the site's time zone.")]
Form = Annotated[Format, typer.Option("--format", help="How to print.")]
AllAccounts = Annotated[bool, typer.Option("--all-accounts", help="Show apps and portal customers beside people.")]


def _report(config: Path | None, report: Report, site: str | None, days: int, form: Format, everybody: bool) -> None:
    async def body(settings: Settings) -> int:
        sites = site_names(settings, site)
        warehouse = await open_for_reading(settings, "rollcall report")
        try:
            rows = await read_report(warehouse, report, sites, days, all_accounts=everybody)
        finally:
            await warehouse.close()
        print_rows(rows, report.columns, form)
        if not rows:
            complain(f"nothing to show for the last {days} days; {report.when_empty}")
        return DONE

    run(config, body)


@app.command()
def days(
    site: Site = None, days: Days = 30, form: Form = Format.TABLE, everybody: AllAccounts = False, config: Config = None
) -> None:
    """Who was active on which day, and with what: comments, issue history, worklogs."""
    _report(config, catalog.DAYS, site, days, form, everybody)


@app.command()
def users(
    site: Site = None, days: Days = 30, form: Form = Format.TABLE, everybody: AllAccounts = False, config: Config = None
) -> None:
    """Everybody known, with licenses, roles and last activity. Reading leaves no trace: ask before you take a seat."""
    _report(config, catalog.USERS, site, days, form, everybody)


@app.command()
def licenses(site: Site = None, days: Days = 30, form: Form = Format.TABLE, config: Config = None) -> None:
    """Seats of each product: how many there are, are assigned, and were used."""
    _report(config, catalog.LICENSES, site, days, form, False)


@app.command()
def idle(site: Site = None, days: Days = 30, form: Form = Format.TABLE, config: Config = None) -> None:
    """People who hold a product and of whom no activity was seen. They may still read: ask before you take a seat."""
    _report(config, catalog.IDLE, site, days, form, False)


@app.command()
def coverage(site: Site = None, days: Days = 30, form: Form = Format.TABLE, config: Config = None) -> None:
    """Of the facts that Jira's REST API knows, how many a webhook had brought."""
    _report(config, catalog.COVERAGE, site, days, form, False)
