"""Make the database on a server that has none yet."""

from dataclasses import replace

from rollcall.settings.warehouse import WarehouseSettings
from rollcall.warehouse.address import Server, parse_warehouse_url
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.cluster import Cluster
from rollcall.warehouse.connecting import fitting, server_client

_USERS_OWN = "__default__"
"""clickhouse-connect's word for the database that the server gives this user."""


async def create_database(url: str, options: WarehouseSettings) -> bool:
    """Create the database that `warehouse_url` names, if it names a server that lacks it.

    Where it is there, the user needs no right to create one.

    Args:
        url: ``warehouse_url``.
        options: The `warehouse` settings.

    Returns:
        Whether it was made.

    Raises:
        SettingsError: The URL is unusable.
        WarehouseUnavailableError: The server cannot be reached or refuses.
    """
    address = parse_warehouse_url(url)
    fitting(address, options)
    if not isinstance(address, Server):
        return False
    elsewhere, cluster = replace(address, database=_USERS_OWN), Cluster(options.cluster)
    warehouse = Warehouse(lambda: server_client(elsewhere, options, {}), threads=1)
    try:
        there = await warehouse.query(
            "SELECT 1 FROM system.databases WHERE name = {name:String}", {"name": address.database}
        )
        if not there:
            await warehouse.command(
                f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}} {cluster.on_cluster}", {"name": address.database}
            )
        return not there
    finally:
        await warehouse.close()
