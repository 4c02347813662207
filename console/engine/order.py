"""What the front and the engine process say to one another over its stdin and stdout, one line of JSON each.

The order holds all settings that the engine needs, so that it reads no settings file and no variables of ours: nothing
of Jira's secrets gets into it.
"""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from console.sqldoor.door_token import door_token
from console.sqldoor.profile import DoorLimits
from rollcall.eventlog.log_url import sqlite_file
from rollcall.settings import Settings
from rollcall.warehouse.engines import Embedded, parse_warehouse_url


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The front's only line; after it the pipe stays open for as long as the engine is to run.

    Attributes:
        front: The front's process id.
        token: The control token.
        settings: The settings, without secrets of Jira's and of the page.
        limits: What queries may take.
    """

    front: int
    token: str
    settings: dict[str, Any]
    limits: DoorLimits = DoorLimits()


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the engine's.

    Attributes:
        state_url: Where it tells how it goes; said once it has the files.
        sql_url: Where the front queries it; said once the schema is there.
        up: Whether everything of it is there: every door listens.
        trouble: Why it ends, an error that Rollcall raises on purpose.
        settings_trouble: Whether that is for who wrote the settings.
        passing: Whether it may be over at the next start, such as a full disk.
        overdue: How many queries run past their deadline, whenever that changes.
    """

    state_url: str = ""
    sql_url: str = ""
    up: bool = False
    trouble: str = ""
    settings_trouble: bool = False
    passing: bool = False
    overdue: int | None = None


class EngineState(msgspec.Struct, frozen=True):
    """How the engine says that it goes: why consumers do not run, empty when they do."""

    trouble: str = ""


_OF_THE_FRONT = {
    "listen",
    "reconcile",
    "page",
    "sites",
    "sql_token",
    "sql_token_file",
    "metrics_token",
    "metrics_token_file",
}
"""Settings that the engine has no use for, or gets in another form."""


def engine_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that an engine needs, to be made `Settings` of again; no path in them is relative."""
    needed = settings.model_dump(mode="json", exclude=_OF_THE_FRONT, exclude_defaults=True)
    if (password := settings.kafka.password.get_secret_value()) and "kafka" in needed:
        needed["kafka"]["password"] = password  # dumped as asterisks
    for name, value in needed.get("kafka", {}).items():
        if name.endswith("_file"):
            needed["kafka"][name] = str(Path(value).absolute())
    warehouse, events = parse_warehouse_url(settings.warehouse_url), sqlite_file(settings.log_url)
    level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
    return {
        **needed,
        "log_level": level if level in ("debug", "info", "warning", "error") else settings.log_level,
        "warehouse_url": f"chdb://{quote(str(warehouse.path))}" if isinstance(warehouse, Embedded) else "",
        "log_url": f"sqlite://{events}" if events else settings.log_url,
        "sql_token": door_token(settings),
        # What Jira signs with stays with the front, and a site without it has to say so.
        "sites": {
            name: {"url": site.url, "timezone": site.timezone, "unsigned": True}
            for name, site in settings.sites.items()
        },
    }
