"""Where the brokers are, from a `log_url`."""

import re

from rollcall.errors import SettingsError

_EXAMPLE = "such as kafka://broker1:9092,broker2:9092"
_BROKER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORT = 9092
_LAST_PORT = 65535


def brokers_of(rest: str) -> list[str]:
    """Read what follows ``kafka:`` in a `log_url`: the brokers to ask first, which name all others.

    Returns:
        Each as ``host:port``.

    Raises:
        SettingsError: It is no list of brokers; the text never repeats it, since it may hold a password.
    """
    if not rest.startswith("//"):
        raise SettingsError(f"log_url: after kafka: come two slashes and the brokers, {_EXAMPLE}")
    names = rest[2:].removesuffix("/")
    if "@" in names:
        raise SettingsError("log_url: name no user in the URL; set username and password_file in [kafka]")
    return [_broker(name) for name in names.split(",")]


def _broker(name: str) -> str:
    found = _BROKER.fullmatch(name)
    port = int(found["port"] or _DEFAULT_PORT) if found else 0
    if not found or not 0 < port <= _LAST_PORT:
        raise SettingsError(f"log_url: names a broker that is not host:port; write it {_EXAMPLE}")
    return f"{found['host']}:{port}"
