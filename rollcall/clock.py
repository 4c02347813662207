"""The one place that knows the time."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Return the wall clock as epoch milliseconds."""
    return time.time_ns() // 1_000_000


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
