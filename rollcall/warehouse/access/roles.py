"""The role of readers in the embedded engine, and the configuration beside this file that gives it its grants."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from clickhouse_connect.driver import Client

READER_ROLE = "dashboards"
"""The role of who only reads, for SET ROLE."""

_OPTIONS = {"config-file": str(Path(__file__).parent / "config.xml")}

CLIENT: Mapping[str, Any] = {"interface": "chdb", "chdb_options": _OPTIONS}
"""What clickhouse-connect opens a client of the engine with; whoever opens it first in a process configures it."""


def take_reader_role(client: Client) -> None:
    """Leave a connection of the embedded engine the rights of readers, for good. Raises ClickHouseError."""
    client.command(f"SET ROLE {READER_ROLE}")
    client.command("SET readonly = 1")


def connection_string(path: Path) -> str:
    """Return what chDB opens a folder by, with our configuration."""
    return f"{os.path.realpath(path)}?{urlencode(_OPTIONS)}"
