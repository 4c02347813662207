"""The sites and their reporting time zones, as the views know them."""

from collections.abc import Mapping

from rollcall.settings import SiteSettings
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.rebuild import days_with_facts, rebuild_days


async def record_sites(warehouse: Warehouse, sites: Mapping[str, SiteSettings]) -> list[str]:
    """Tell the warehouse the sites' time zones; where one changed, rebuild the site's days in the new zone.

    Returns:
        The sites whose days were rebuilt.

    Raises:
        WarehouseUnavailableError: Not recorded; run it again.
    """
    rows = await warehouse.query("SELECT site, timezone FROM sites FINAL")
    known = {row["site"]: row["timezone"] for row in rows}
    rebuilt = []
    for name, site in sites.items():
        if known.get(name) == site.timezone:
            continue
        if name in known:
            await rebuild_days(warehouse, name, site.timezone, await days_with_facts(warehouse, name))
            rebuilt.append(name)
        await warehouse.command(
            "INSERT INTO sites (site, timezone) VALUES ({site:String}, {timezone:String})",
            {"site": name, "timezone": site.timezone},
        )
    return rebuilt
