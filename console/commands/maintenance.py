"""``rollcall migrate``, ``rebuild`` and ``check``: look after an installation."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from console.checks.finding import Finding
from console.checks.installation import local_findings
from console.checks.jira_site import jira_findings
from console.control import request_rebuild
from console.output import FormatOption, OutputFormat, print_rows_as_they_come
from console.process import DONE, FAILED, Config, SiteOption, require_tokens, run_command, site_names
from rollcall.errors import RollcallError
from rollcall.runtime import opened_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import migrate, record_seat_settings, record_sites, require_current
from rollcall.warehouse.engines import Embedded, Holding, parse_warehouse_url, read_holding
from rollcall.warehouse.migrations import create_database
from rollcall.warehouse.rebuild import rebuild_site
from rollcall.warehouse.rollup_check import differing_rows
from rollcall.warehouse.schema_check import require_no_drift

_COLUMNS = {"subject": 4, "ok": 1, "found": 10, "remedy": 8}
"""The columns of a check's rows, and how wide they are beside one another."""


def check(
    local: Annotated[bool, typer.Option("--local", help="Leave Jira out.")] = False,
    rollups: Annotated[
        bool, typer.Option("--rollups", help="Compare every report with the raw facts too, which may take minutes.")
    ] = False,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Look at settings, event log, warehouse, clock and the Jira sites, and say what to do about what is wrong."""

    async def body(settings: Settings) -> int:
        if not local:
            require_tokens(settings)
        all_ok = True

        async def rows() -> AsyncIterator[dict[str, object]]:
            nonlocal all_ok
            async for finding in _findings(settings, config, local=local, rollups=rollups):
                all_ok = all_ok and finding.ok
                yield asdict(finding)

        await print_rows_as_they_come(rows(), _COLUMNS, form)
        return DONE if all_ok else FAILED

    run_command(config, body)


async def _findings(settings: Settings, config: Path | None, *, local: bool, rollups: bool) -> AsyncIterator[Finding]:
    async for finding in local_findings(settings, config):
        yield finding
    if rollups:
        async for finding in _rollup_findings(settings):
            yield finding
    if not local:
        async for finding in jira_findings(settings):
            yield finding


async def _rollup_findings(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with opened_for_reading(settings, "rollcall check") as warehouse:
            for name, site in settings.sites.items():
                for rollup, rows in (await differing_rows(warehouse, name, site.timezone)).items():
                    subject = f"{rollup} of {name}"
                    if rows:
                        remedy = "try again when no facts are under way; if it stays, `rollcall rebuild`"
                        yield Finding(subject, False, f"{rows} rows are not what raw facts say", remedy)
                    else:
                        yield Finding(subject, True, "says what raw facts say")
    except RollcallError as error:
        yield Finding("rollups", False, str(error), "if memory is the matter, compare while `up` is stopped")


def migrate_command(config: Config = None) -> None:
    """Bring the warehouse's tables and views up to date. `up` does this by itself."""

    async def body(settings: Settings) -> int:
        if await create_database(settings.warehouse_url, settings.warehouse):
            print("made the database")
        async with opened_warehouse(settings, "rollcall migrate") as warehouse:
            for migration in await migrate(warehouse):
                print(f"applied {migration.version:04} {migration.name}")
            await require_no_drift(warehouse)
            await record_sites(warehouse, settings.sites)
            await record_seat_settings(warehouse, settings.sites, settings.seats)
        print("the warehouse is up to date")
        return DONE

    run_command(config, body)


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="In the site's reporting time zone.")]


def rebuild(
    site: SiteOption = None,
    since: Day = None,
    until: Day = None,
    config: Config = None,
) -> None:
    """Compute user days again from the facts, whole months at a time; all of them unless days are named.

    Right also while facts arrive. `up` may be running: then it does the work.
    """

    async def body(settings: Settings) -> int:
        days = _days(since, until)
        for name in site_names(settings, site):
            with Console(stderr=True).status(f"rebuilding {name}"):
                months = await _rebuild(settings, name, days)
            print(f"{name}: rebuilt {', '.join(months) or 'nothing, there are no facts'}")
        return DONE

    run_command(config, body)


def _days(since: datetime | None, until: datetime | None) -> list[date] | None:
    if since is None and until is None:
        return None
    if since is None:
        raise typer.BadParameter("name the first day too", param_hint="--since")
    first, last = since.date(), (until or datetime.now().astimezone()).date()
    if last < first:
        raise typer.BadParameter("is before --since", param_hint="--until")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


async def _rebuild(settings: Settings, site: str, days: Sequence[date] | None) -> list[str]:
    if holding := _holding(settings):
        return await request_rebuild(holding, site, days)
    async with opened_warehouse(settings, "rollcall rebuild") as warehouse:
        await require_current(warehouse)
        return await rebuild_site(warehouse, site, settings.sites[site].timezone, days, settings.seats)


def _holding(settings: Settings) -> Holding | None:
    address = parse_warehouse_url(settings.warehouse_url)
    return read_holding(address) if isinstance(address, Embedded) else None
