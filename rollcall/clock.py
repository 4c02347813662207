"""The one place that knows the time, and whether the process has a time zone that there is."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rollcall.errors import SettingsError


def now_ms() -> int:
    """Return the wall clock as epoch milliseconds."""
    return time.time_ns() // 1_000_000


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def require_known_zone() -> None:
    """Raise SettingsError where ``TZ`` is no time zone: loading the engine then fails, and says another reason."""
    zone = os.environ.get("TZ", "").removeprefix(":")
    if not zone or Path(zone).is_absolute():
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            f"environment variable TZ: {zone[:100]!r} is no time zone; write an IANA name such as Europe/Berlin, or "
            "unset it"
        ) from None
