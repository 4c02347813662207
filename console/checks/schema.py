"""Check that the tables are as the migrations made them, and that the server inserts as consumers need it."""

from console.checks.finding import Finding
from console.opening import opened_warehouse
from console.reading import open_for_reading
from console.sqldoor.tables import INTERNAL
from rollcall.errors import SettingsError
from rollcall.settings import Settings
from rollcall.warehouse.address import Embedded, parse_warehouse_url
from rollcall.warehouse.drift import drift
from rollcall.warehouse.holder import read_holding
from rollcall.warehouse.insert_settings import verify_insert_settings


async def schema_finding(settings: Settings) -> Finding:
    """Look at tables and views; through the SQL door of `up`, which checked them itself, at those it shows.

    Raises:
        RollcallError: The warehouse cannot be asked.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    through_the_door = isinstance(address, Embedded) and read_holding(address.lock_path) is not None
    warehouse = await open_for_reading(settings, "rollcall check")
    try:
        differences = await drift(warehouse, unseen=INTERNAL if through_the_door else ())
    finally:
        await warehouse.close()
    if not differences:
        return Finding("schema", True, "tables and views are as the migrations made them")
    found = "; ".join(str(one) for one in differences)
    return Finding(
        "schema", False, found, "undo the change, or restore a backup; docs/clickhouse.md tells what is allowed"
    )


async def insert_finding(settings: Settings) -> Finding | None:
    """Look at the settings of inserts on a server; None for the embedded engine, where nobody can forbid them.

    Raises:
        WarehouseUnavailableError: The server cannot be asked.
    """
    if isinstance(parse_warehouse_url(settings.warehouse_url), Embedded):
        return None
    async with opened_warehouse(settings, "rollcall check") as warehouse:
        try:
            await verify_insert_settings(warehouse)
        except SettingsError as error:
            return Finding("insert settings", False, str(error), "change the profile of the server's user")
    return Finding("insert settings", True, "the server inserts as consumers need it")
