"""From the `log_url` setting to an open event log: a SQLite file on this machine, or Kafka's brokers."""

import re
from collections.abc import Sequence
from pathlib import Path

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import EventLog, Topic
from rollcall.eventlog.sqlite import open_sqlite_log
from rollcall.settings.servers import KafkaSettings

_KAFKA_EXAMPLE = "such as kafka://broker1:9092,broker2:9092"
_BROKER = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORT = 9092
_LAST_PORT = 65535


def brokers_of(rest: str) -> list[str]:
    """Read what follows ``kafka:`` in a `log_url`: the brokers to contact first, which name all others.

    Returns:
        Each as ``host:port``.

    Raises:
        SettingsError: It is no list of brokers; the text never repeats it, since it may hold a password.
    """
    if not rest.startswith("//"):
        raise SettingsError(f"log_url: after kafka: come two slashes and the brokers, {_KAFKA_EXAMPLE}")
    names = rest[2:].removesuffix("/")
    if "@" in names:
        raise SettingsError("log_url: name no user in the URL; set username and password_file in [kafka]")
    return [_broker(name) for name in names.split(",")]


def _broker(name: str) -> str:
    found = _BROKER.fullmatch(name)
    port = int(found["port"] or _DEFAULT_PORT) if found else 0
    if not found or not 0 < port <= _LAST_PORT:
        raise SettingsError(f"log_url: names a broker that is not host:port; write it {_KAFKA_EXAMPLE}")
    return f"{found['host']}:{port}"


_SQLITE_EXAMPLE = "such as sqlite:///var/rollcall/events.db"


async def open_log(
    url: str, topics: Sequence[Topic], kafka: KafkaSettings | None = None, command: str = "rollcall"
) -> EventLog:
    """Open the event log that a URL names, creating it when it is on this machine and not there yet.

    Args:
        url: The `log_url` setting. ``sqlite:///var/rollcall/events.db`` is the absolute path
            /var/rollcall/events.db, ``sqlite:events.db`` is relative to the working directory;
            ``kafka://host:9092,host2:9092`` names brokers, of which one has to be there.
        topics: The topics to use; appending to or reading any other raises ValueError.
        kafka: The `kafka` settings; their defaults when there are none.
        command: What this process runs, for the brokers' logs, metrics and quotas.

    Returns:
        The log, which belongs to the running event loop; close it when done.

    Raises:
        SettingsError: The URL or what it names cannot be used; the text names the remedy.
        LogUnavailableError: It cannot be used at the moment (disk full, locked, brokers away).
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "sqlite":
        return await open_sqlite_log(_sqlite_path(url, rest), topics)
    if colon and scheme == "kafka":
        # Only here: on one machine, nobody should wait for the import of a client that is not used.
        from rollcall.eventlog.kafka import open_kafka_log

        return await open_kafka_log(brokers_of(rest), topics, kafka or KafkaSettings(), command)
    # Not the whole URL: one of another kind may hold a password.
    raise SettingsError(
        f"log_url: {scheme[:20]!r} is no kind of event log that Rollcall knows; use one {_SQLITE_EXAMPLE}, "
        "or kafka://host:9092"
    )


def sqlite_file(url: str) -> Path | None:
    """Return the absolute path of the file that a `log_url` names; None where it names brokers.

    Raises:
        SettingsError: It names no file.
    """
    scheme, colon, rest = url.partition(":")
    return _sqlite_path(url, rest) if colon and scheme == "sqlite" else None


def _sqlite_path(url: str, rest: str) -> Path:
    if "?" in rest or "#" in rest or "\0" in rest:
        raise SettingsError(f"log_url: {url!r} may hold a path only, no options; write it {_SQLITE_EXAMPLE}")
    if rest.startswith("//"):
        # sqlite:///a and sqlite:////a both: what follows the (empty) host is an absolute path
        if not rest.startswith("///"):
            raise SettingsError(
                f"log_url: {url!r} names a host, which SQLite has none of; for an absolute path write three "
                f"slashes, {_SQLITE_EXAMPLE}, for a relative one none, such as sqlite:events.db"
            )
        rest = "/" + rest.lstrip("/")
    if not rest or rest.endswith("/"):
        raise SettingsError(f"log_url: {url!r} names no file; write it {_SQLITE_EXAMPLE}")
    return Path(rest).absolute()
