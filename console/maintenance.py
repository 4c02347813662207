"""``rollcall migrate`` and ``rollcall rebuild``."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from console.command import DONE, Config, run, site_names
from console.control import ask_to_rebuild
from console.opening import opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, days_with_facts, migrate, rebuild_days, record_sites, require_current
from rollcall.warehouse.address import Embedded, parse_warehouse_url
from rollcall.warehouse.database import create_database
from rollcall.warehouse.drift import require_shape
from rollcall.warehouse.holder import Holding, read_holding


def migrate_command(config: Config = None) -> None:
    """Bring the warehouse's tables and views up to date. `up` does this by itself."""

    async def body(settings: Settings) -> int:
        if await create_database(settings.warehouse_url, settings.warehouse):
            print("made the database")
        async with opened_warehouse(settings, "rollcall migrate") as warehouse:
            for migration in await migrate(warehouse):
                print(f"applied {migration.version:04} {migration.name}")
            await require_shape(warehouse)
            await record_sites(warehouse, settings.sites)
        print("the warehouse is up to date")
        return DONE

    run(config, body)


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="In the site's reporting time zone.")]


def rebuild(
    site: Annotated[str | None, typer.Option(help="Only this site of the settings.")] = None,
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

    run(config, body)


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
        return await ask_to_rebuild(holding, site, days)
    async with opened_warehouse(settings, "rollcall rebuild") as warehouse:
        await require_current(warehouse)
        return await rebuild_site(warehouse, settings, site, days)


def _holding(settings: Settings) -> Holding | None:
    address = parse_warehouse_url(settings.warehouse_url)
    return read_holding(address.lock_path) if isinstance(address, Embedded) else None


async def rebuild_site(warehouse: Warehouse, settings: Settings, site: str, days: Sequence[date] | None) -> list[str]:
    """Rebuild days of a site, None for all, and return the months, such as ``2026-11``.

    Raises:
        WarehouseUnavailableError: It did not finish; run it again.
    """
    wanted = days if days is not None else await days_with_facts(warehouse, site)
    months = await rebuild_days(warehouse, site, settings.sites[site].timezone, wanted)
    return [f"{month.year}-{month.month:02}" for month in months]
