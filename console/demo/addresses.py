"""Whether the demo's addresses are free, told before anything is started."""

from contextlib import closing
from socket import socket

from ingest.server import listen
from rollcall.errors import SettingsError


def try_addresses(page: str, sql_door: str) -> None:
    """Raise SettingsError unless both can be listened on, at the same time."""
    with closing(_listener(page, "--listen")), closing(_listener(sql_door, "--sql-listen")):
        pass


def _listener(address: str, option: str) -> socket:
    try:
        return listen(address, option)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None
