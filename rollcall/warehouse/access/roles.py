"""The role of readers in the embedded engine, and the configuration beside this file that gives it its grants."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

READER_ROLE = "dashboards"
"""The role of who only reads, for SET ROLE."""

_OPTIONS = {"config-file": str(Path(__file__).parent / "config.xml")}

CLIENT: Mapping[str, Any] = {"interface": "chdb", "chdb_options": _OPTIONS}
"""What clickhouse-connect opens a client of the engine with; whoever opens it first in a process configures it."""


def connection_string(path: Path) -> str:
    """Return what chDB opens a folder by, with our configuration."""
    return f"{os.path.realpath(path)}?{urlencode(_OPTIONS)}"
