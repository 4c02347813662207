"""The window of a run: from when to before when facts are looked for, in days of the site's zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from rollcall.errors import SettingsError
from rollcall.settings import ReconcileSettings


class Window(msgspec.Struct, frozen=True):
    """A span of time, epoch ms: `since` is inside, `until` is not. It stays as it is for the whole run."""

    since: int
    until: int

    def holds(self, moment: int) -> bool:
        """Return whether a moment lies inside."""
        return self.since <= moment < self.until

    def days(self, zone: ZoneInfo) -> list[date]:
        """Return the reporting days it touches, and one more on both sides."""
        first = _local(self.since, zone).date() - timedelta(days=1)
        last = _local(max(self.since, self.until - 1), zone).date() + timedelta(days=1)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """The window as a person asks for it; None for the default. Moments without an offset are in the site's zone."""

    days: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def window(
    request: WindowRequest, settings: ReconcileSettings, zone: ZoneInfo, now: int, earliest: int | None = None
) -> Window:
    """Fix the window of a run.

    Args:
        request: What a person asked for.
        settings: The defaults.
        zone: The site's reporting time zone.
        now: The site's present, epoch ms. The window never reaches beyond it, less the time that Jira's search
            index takes to settle.
        earliest: The present at the earliest, where that is not sure: days are counted back from it.

    Raises:
        SettingsError: It would be empty; the text says why.
    """
    require_order(request, zone)
    settle = int(settings.settle_minutes * 60_000)
    latest = now - settle
    until = min(latest, _ms(request.until, zone)) if request.until else latest
    if request.since:
        since = _ms(request.since, zone)
    else:
        today = _local(min(until, (now if earliest is None else earliest) - settle), zone).date()
        first = today - timedelta(days=(request.days or settings.days) - 1)
        since = _ms(datetime.combine(first, time()), zone)
    if since >= until:
        raise SettingsError(
            "the window is empty: it ends "
            f"{datetime.fromtimestamp(until / 1000, UTC):%Y-%m-%d %H:%M} UTC, {settings.settle_minutes:g} minutes "
            "before Jira's present at the latest; name an earlier --since"
        )
    return Window(since, until)


def require_order(request: WindowRequest, zone: ZoneInfo) -> None:
    """Raise SettingsError where the window's end was asked for at or before its beginning."""
    if request.since and request.until and _ms(request.until, zone) <= _ms(request.since, zone):
        raise SettingsError(
            f"--until ({_written(request.until)}) is not after --since ({_written(request.since)}); "
            "--until itself is outside the window"
        )


def _written(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")


def _ms(moment: datetime, zone: ZoneInfo) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return round(aware.timestamp() * 1000)


def _local(moment: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment / 1000, zone)
