"""When a site's last webhook came: as the warehouse knows it, for the time before this process was started."""

from datetime import datetime

from rollcall.warehouse import Warehouse

_LAST = """
SELECT max(activity_sources.webhook_received_at) AS last FROM activity_sources WHERE site = {site:String}
"""


async def last_webhook_kept(warehouse: Warehouse, site: str) -> datetime | None:
    """Return when the last webhook that told of a fact was received. Raises WarehouseUnavailableError."""
    last: datetime | None = (await warehouse.query(_LAST, {"site": site}))[0]["last"]
    return last
