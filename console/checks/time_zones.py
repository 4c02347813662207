"""The check of time zones: whether Python's table and the engine's agree on the year to come.

Each brings a table of its own, of its own age, and governments change their clocks at short notice. Python's says which
days a run reads and when the daily one begins, the engine's which day an act counts for.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from console.checks.finding import Finding
from rollcall.clock import now_ms
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse

_STEP = 1800
"""Seconds; clocks change at full and half hours of UTC (the latter on Lord Howe Island)."""
_STEPS = 366 * 86_400 // _STEP

_KNOWN = "SELECT time_zone FROM system.time_zones WHERE time_zone IN {zones:Array(String)}"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where the two tables differ on a zone.

    Attributes:
        since: From when on, within the year to come.
        hours: For how many hours of that year.
        python: Offset from UTC at that moment by Python's table.
        engine: The same by the engine's.
    """

    since: datetime
    hours: float
    python: timedelta
    engine: timedelta

    def __str__(self) -> str:
        """Return it as a clause."""
        return (
            f"from {self.since:%Y-%m-%d %H:%M} UTC on it is {_offset(self.python)} by Python's table and "
            f"{_offset(self.engine)} by the engine's, which differ in {self.hours:g} hours of the year to come"
        )


def _offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


async def disagreements(warehouse: Warehouse, zones: Mapping[str, ZoneInfo]) -> dict[str, Disagreement | None]:
    """Compare the offsets of the year to come, in one query for all zones.

    Args:
        warehouse: Whose engine to ask.
        zones: Python's zones, by the names that the engine is asked for; one that it does not know fails the query.

    Returns:
        Where the tables differ, by name; None where they agree.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    begin = now_ms() // 1000 // _STEP * _STEP
    named = {f"zone_{number}": name for number, name in enumerate(zones)}
    columns = "".join(f", timezoneOffset(toDateTime(at, {{{column}:String}})) AS {column}" for column in named)
    rows = await warehouse.query(
        f"SELECT {{begin:UInt32}} + number * {_STEP} AS at{columns} FROM numbers({_STEPS}) ORDER BY at",  # noqa: S608 - our names and numbers
        {"begin": begin, **named},
    )
    found: dict[str, Disagreement | None] = {}
    for column, name in named.items():
        pairs = ((row["at"], _seconds(zones[name], row["at"]), row[column]) for row in rows)
        found[name] = _first([(at, ours, theirs) for at, ours, theirs in pairs if ours != theirs])
    return found


def _seconds(zone: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def _first(differing: list[tuple[int, int, int]]) -> Disagreement | None:
    if not differing:
        return None
    at, ours, theirs = differing[0]
    hours = len(differing) * _STEP / 3600
    return Disagreement(datetime.fromtimestamp(at, UTC), hours, timedelta(seconds=ours), timedelta(seconds=theirs))


REMEDY = (
    "one of the two tables is out of date: upgrade tzdata on this machine (the system's package, or pip's where the "
    "system has none), or the engine (chdb, or the ClickHouse server)"
)


async def zone_findings(settings: Settings, warehouse: Warehouse) -> list[Finding]:
    """Look at every time zone of the settings.

    Args:
        settings: The settings.
        warehouse: Whose engine to ask.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    used: dict[str, list[str]] = defaultdict(list)
    for name, site in settings.sites.items():
        used[site.timezone].append(f"what people of {name} do around midnight may count for the neighboring day")
    if daily := settings.reconcile.daily_timezone:
        used[daily].append("the daily run may begin at another hour")
    known = await known_zones(warehouse, used)
    # The engine never hears of the daily runs, and so need not know their zone.
    unknown = {site.timezone for site in settings.sites.values()} - known
    differ = await disagreements(warehouse, {zone: ZoneInfo(zone) for zone in used if zone in known})
    findings = [_unknown(zone) for zone in sorted(unknown)]
    findings += [_differing(zone, how, "; ".join(used[zone])) for zone, how in differ.items() if how]
    if agreed := [zone for zone, how in differ.items() if not how]:
        found = f"Python and the engine agree on {', '.join(agreed)} for the year to come"
        findings.append(Finding("time zones", True, found))
    return findings


async def known_zones(warehouse: Warehouse, zones: Collection[str]) -> set[str]:
    """Return which of these zones the engine knows. Raises WarehouseUnavailableError."""
    return {row["time_zone"] for row in await warehouse.query(_KNOWN, {"zones": list(zones)})}


def _unknown(zone: str) -> Finding:
    return Finding(
        f"time zone {zone}",
        False,
        "the engine does not know it, so no day can be told in it",
        "write the IANA name of a zone, such as Europe/Berlin, or upgrade the engine (chdb, or the ClickHouse server)",
    )


def _differing(zone: str, how: Disagreement, so: str) -> Finding:
    return Finding(f"time zone {zone}", False, f"{how}; {so}", f"{REMEDY}; then `rollcall rebuild`")
