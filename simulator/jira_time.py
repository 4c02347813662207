"""Times as Jira writes them."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from simulator.config import DAY_MS


def jira_time(zone: str, at: int) -> str:
    """Write epoch ms as Jira Cloud does: ISO with ms and an offset without colon, in the site's zone."""
    offset, suffix = _offset(zone, at // 900_000)
    day, rest = divmod(at + offset, DAY_MS)
    seconds, ms = divmod(rest, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_date(day)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}{suffix}"


@lru_cache(maxsize=16_384)
def _offset(zone: str, quarter: int) -> tuple[int, str]:
    """Return offset (ms) and how Jira writes it; zones change at quarters of an hour only."""
    shift = datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).utcoffset()
    seconds = int(shift.total_seconds()) if shift else 0
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3_600)
    return seconds * 1_000, f"{sign}{hours:02d}{rest // 60:02d}"


@lru_cache(maxsize=4_096)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
