"""Open a connection to either engine, through clickhouse-connect."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver import Client

from rollcall.errors import SettingsError
from rollcall.settings.warehouse import WarehouseSettings
from rollcall.warehouse.address import Embedded, Server
from rollcall.warehouse.crashing import die_of_crashes


def require_embedded_engine() -> None:
    """Raise SettingsError unless the embedded engine is installed; it is not loaded."""
    found = find_spec("chdb")
    if found is None or not found.has_location:  # without one it is a mere folder, such as a warehouse of that name
        raise SettingsError(
            "warehouse_url: the embedded engine is not installed: pip install 'rollcall-jira[embedded]' "
            "(in a checkout: pip install '.[embedded]'), or set warehouse_url to a ClickHouse server"
        )


def embedded_client(address: Embedded, settings: Mapping[str, Any]) -> Client:
    """Open a connection to the engine in this process. Raises SettingsError when it is not installed."""
    require_embedded_engine()
    address.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    client = clickhouse_connect.get_client(interface="chdb", path=str(address.path), settings=dict(settings))
    die_of_crashes()
    return client


def server_client(address: Server, options: WarehouseSettings, settings: Mapping[str, Any]) -> Client:
    """Open a connection to a ClickHouse server; `fitting` has been asked before."""
    return clickhouse_connect.get_client(**server_arguments(address, options), settings=dict(settings))


def server_arguments(address: Server, options: WarehouseSettings) -> dict[str, Any]:
    """Return what clickhouse-connect is told of a server."""
    password = options.password() or address.password
    tls: dict[str, Any] = {}
    if address.secure:
        tls["verify"] = options.verify
        if options.ca_file:
            tls["ca_cert"] = str(options.ca_file)
        if options.client_cert_file:
            tls |= {"client_cert": str(options.client_cert_file), "client_cert_key": str(options.client_key_file)}
            # With a password the certificate only opens the connection; without, it is who we are.
            tls["tls_mode"] = "strict" if password else "mutual"
    return {
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": password,
        "database": address.database,
        "secure": address.secure,
        "autogenerate_session_id": False,
        "connect_timeout": 5,
        "send_receive_timeout": 300,
        **tls,
    }


def fitting(address: Embedded | Server, options: WarehouseSettings) -> None:
    """Raise SettingsError when `warehouse_url` and the `warehouse` settings contradict one another.

    Also when `warehouse_url` names the embedded engine and that is not installed.
    """
    if isinstance(address, Embedded):
        require_embedded_engine()
        if options != WarehouseSettings():
            raise SettingsError(
                "warehouse: these settings are for a ClickHouse server, but warehouse_url names the embedded engine; "
                "remove them, or name a server"
            )
        return
    if address.password and options.password_file:
        raise SettingsError("warehouse_url: holds a password beside warehouse.password_file; take it out of the URL")
    if options.has_tls and not address.secure:
        raise SettingsError(
            "warehouse: has certificates or verify = false, but warehouse_url is without TLS; write clickhouses://"
        )
