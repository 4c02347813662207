"""Rebuild rollups: the user days of given days computed again from the facts, and swapped in at once.

Incremental states cannot forget a wrong row (a webhook's time across midnight, an actor learned later, a parser
since mended, a site's new time zone). A rebuild can. Its unit is a site's month, the partition of ``user_day_states``:

1. The month is computed from ``activity`` into a staging table.
2. REPLACE PARTITION swaps it in, atomically: readers see the old month or the new one.
3. Facts inserted while 1 ran are in ``activity`` but were swapped away from the rollup. So, once every insert that
   was under way at the swap has ended, the month is computed once more and added. Adding is harmless: the states
   are min, max, bit-or and sets.

Then the rollups that hang on these days are computed again (`rollcall.warehouse.rollups`), accounts included.

On a cluster the staging table is replicated too, and each step waits until all replicas have what the step before
wrote: then a load balancer may send every statement to another replica. All replicas have to be up.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rollcall.settings import SeatsSettings, SiteSettings
from rollcall.warehouse.client import Warehouse
from rollcall.warehouse.rollups import refresh_accounts, refresh_days, refresh_site
from rollcall.warehouse.seats import count_seats

_STAGING = "_staging_"
_LEFT_BEHIND_SECONDS = 3600

# The fact's row is chosen before the days are cut: two rows of one fact may lie on both sides of midnight. The
# window by time is a day wider on each side and only spares reading.
_FACTS = """
FROM activity AS facts FINAL
WHERE site = {site:String} AND account_id != ''
    AND occurred_at >= {start:Date} - 1 AND occurred_at < {end:Date} + 1
"""
_DAYS = """
SELECT
    site,
    toDate(occurred_at, {timezone:String}) AS day,
    account_id,
    min(facts.occurred_at) AS first_at,
    max(facts.occurred_at) AS last_at,
    groupBitOr(toUInt8(transform(toString(family), ['comment', 'history', 'worklog'], [1, 2, 4], 0))) AS families
FACTSGROUP BY site, day, account_id
HAVING day >= {start:Date} AND day < {end:Date}
""".replace("FACTS", _FACTS)
_MONTHS = """
SELECT
    site,
    toStartOfMonth(day) AS month,
    account_id,
    max(occurred) AS last_at,
    groupBitOr(bit) AS days,
    groupBitOr(if(kind = 0, bit, 0)) AS comment_days,
    groupBitOr(if(kind = 1, bit, 0)) AS history_days,
    groupBitOr(if(kind = 2, bit, 0)) AS worklog_days,
    groupUniqArray(bitOr(bitShiftLeft(sipHash64(event_key), 7), toUInt64(32 * kind + toDayOfMonth(day) - 1))) AS facts,
    toUInt8(1) AS is_whole
FROM
(
    SELECT
        site, account_id, event_key, facts.occurred_at AS occurred,
        toDate(occurred, {timezone:String}) AS day,
        toUInt8(transform(toString(family), ['comment', 'history', 'worklog'], [0, 1, 2], 3)) AS kind,
        bitShiftLeft(toUInt32(1), toDayOfMonth(day) - 1) AS bit
FACTS)
WHERE day >= {start:Date} AND day < {end:Date}
GROUP BY site, month, account_id
""".replace("FACTS", _FACTS)

_PROJECTS = """
SELECT
    site,
    toDate(facts.occurred_at, {timezone:String}) AS day,
    account_id, project_key,
    if(facts.project_key = '', facts.issue_id, 0) AS issue_id,
    max(facts.occurred_at) AS last_at
FACTSGROUP BY site, day, account_id, project_key, issue_id
HAVING day >= {start:Date} AND day < {end:Date}
""".replace("FACTS", _FACTS)

# Not days, and no rebuild forgets a word: what is written once more are words of facts that came by an import.
_ISSUE_PROJECTS = """
INSERT INTO issue_projects (site, issue_id, word)
SELECT {site:String}, found.issue_id, found.word
FROM
(
    SELECT
        facts.issue_id AS issue_id,
        max((toUInt8(facts.source = 'reconcile'), facts.received_at, toString(facts.project_key))) AS word
    FROM activity AS facts
    WHERE site = {site:String} AND facts.occurred_at >= {start:Date} - 1 AND facts.occurred_at < {end:Date} + 1
        AND facts.project_key != '' AND facts.issue_id != 0
    GROUP BY issue_id
) AS found
LEFT JOIN
(
    SELECT issue_id, max(projects.word) AS word FROM issue_projects AS projects
    WHERE site = {site:String} GROUP BY issue_id
) AS known ON known.issue_id = found.issue_id
WHERE found.word > known.word
"""


@dataclass(frozen=True, slots=True)
class _States:
    """A table of states by month.

    Attributes:
        table: Its name.
        computed: The SELECT of a month's rows from facts.
        shown: What tells one of these rows from another.
        stored: The same from the table's own rows.
    """

    table: str
    computed: str
    shown: str
    stored: str

    @property
    def lacking(self) -> str:
        """The computed rows without what is there already, which would only have to be merged."""
        return f"SELECT * FROM ({self.computed}) WHERE ({self.shown}) NOT IN ({self.stored})"  # noqa: S608 - constants


_STATES = (
    _States(
        "user_day_states",
        _DAYS,
        "day, account_id, first_at, last_at, families",
        """
        SELECT day, account_id, min(states.first_at), max(states.last_at), groupBitOr(states.families)
        FROM user_day_states AS states
        WHERE site = {site:String} AND day >= {start:Date} AND day < {end:Date}
        GROUP BY day, account_id
        """,
    ),
    _States(
        "account_month_states",
        _MONTHS,
        "account_id, last_at, days, comment_days, history_days, worklog_days, length(facts)",
        """
        SELECT
            account_id, max(states.last_at), groupBitOr(states.days), groupBitOr(states.comment_days),
            groupBitOr(states.history_days), groupBitOr(states.worklog_days),
            length(groupUniqArrayArray(states.facts))
        FROM account_month_states AS states
        WHERE site = {site:String} AND month = {start:Date}
        GROUP BY account_id
        """,
    ),
    _States(
        "project_day_states",
        _PROJECTS,
        "day, account_id, project_key, issue_id, last_at",
        """
        SELECT day, account_id, project_key, issue_id, max(states.last_at)
        FROM project_day_states AS states
        WHERE site = {site:String} AND day >= {start:Date} AND day < {end:Date}
        GROUP BY day, account_id, project_key, issue_id
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Month:
    """A partition of the rollup."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> "Month":
        """Return the month that a day lies in."""
        return cls(day.year, day.month)

    @property
    def start(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def end(self) -> date:
        """The first day after it."""
        return (self.start + timedelta(days=31)).replace(day=1)

    @property
    def days(self) -> list[date]:
        """All its days."""
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]

    @property
    def number(self) -> int:
        """Its number as in toYYYYMM."""
        return self.year * 100 + self.month


async def rebuild_days(warehouse: Warehouse, site: str, timezone: str, days: Iterable[date]) -> list[Month]:
    """Rebuild the months that hold the given days; right also while inserts go on.

    Args:
        warehouse: Where.
        site: Name of the site in the settings.
        timezone: Its reporting time zone.
        days: The days to mend.

    Returns:
        The months rebuilt.

    Raises:
        WarehouseUnavailableError: The rebuild did not finish; run it again.
    """
    months = sorted({Month.of(day) for day in days}, key=lambda month: month.number)
    await _drop_leftovers(warehouse)
    for month in months:
        await _rebuild_month(warehouse, site, timezone, month)
    if months:
        await refresh_accounts(warehouse, site, timezone)
        await refresh_days(warehouse, site, [day for month in months for day in month.days], timezone)
    return months


async def days_with_facts(warehouse: Warehouse, site: str) -> set[date]:
    """Return a day of every month that the site's facts or its rollup lie in."""
    rows = await warehouse.query(
        """
        SELECT DISTINCT toStartOfMonth(day) AS month FROM user_day_states WHERE site = {site:String}
        UNION DISTINCT
        SELECT DISTINCT toStartOfMonth(arrayJoin([occurred_at - toIntervalDay(1), occurred_at + toIntervalDay(1)]))
        FROM activity WHERE site = {site:String}
        """,
        {"site": site},
    )
    return {row["month"] for row in rows}


async def _rebuild_month(warehouse: Warehouse, site: str, timezone: str, month: Month) -> None:
    made = f"{_STAGING}{int(time.time())}_{secrets.token_hex(6)}"
    parameters = {"site": site, "timezone": timezone, "start": month.start, "end": month.end}
    partition = f"('{site}', {month.number})"
    on_cluster = warehouse.cluster.on_cluster
    await _caught_up(warehouse, "activity")
    try:
        for states in _STATES:
            staging = states.table + made
            await warehouse.command(f"CREATE TABLE {staging} {on_cluster} AS {states.table}")
            await warehouse.command(f"INSERT INTO {staging} {states.computed}", parameters)
            await _caught_up(warehouse, staging)
        for states in _STATES:
            # An empty month has no partition to swap in, and the engine refuses to replace by nothing.
            staging = states.table + made
            filled = await warehouse.query(f"SELECT 1 FROM {staging} LIMIT 1")  # noqa: S608 - our own table's name
            swap = f"REPLACE PARTITION {partition} FROM {staging}" if filled else f"DROP PARTITION {partition}"
            await warehouse.command(f"ALTER TABLE {states.table} {swap}")
        await _inserts_under_way_have_ended(warehouse)
        await _caught_up(warehouse, "activity")
        for states in _STATES:
            await warehouse.command(f"INSERT INTO {states.table} {states.lacking}", parameters)
        await _caught_up(warehouse, "issue_projects")
        await warehouse.command(_ISSUE_PROJECTS, parameters)
    finally:
        for states in _STATES:
            await warehouse.command(f"DROP TABLE IF EXISTS {states.table}{made} {on_cluster}")


async def _caught_up(warehouse: Warehouse, table: str) -> None:
    """On a cluster, wait until it does not matter which replica the next statement runs on."""
    if statement := warehouse.cluster.caught_up(table):
        await warehouse.command(statement)


async def _inserts_under_way_have_ended(warehouse: Warehouse) -> None:
    running = await _running_inserts(warehouse)
    while running:
        await asyncio.sleep(0.02)
        running &= await _running_inserts(warehouse)


async def _running_inserts(warehouse: Warehouse) -> set[str]:
    rows = await warehouse.query(
        f"SELECT query_id FROM {warehouse.cluster.everywhere('system.processes')} "  # noqa: S608 - our own setting
        "WHERE startsWith(upper(trimLeft(query)), 'INSERT INTO') AND position(query, 'activity_in') > 0"
    )
    return {row["query_id"] for row in rows}


async def _drop_leftovers(warehouse: Warehouse) -> None:
    """Drop staging tables of rebuilds that were killed: those that are older than an hour.

    Younger ones may be of one that runs. The hour is in their names: the embedded engine has every table made in 1970.
    """
    for table in (states.table for states in _STATES):
        rows = await warehouse.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String})",
            {"prefix": table + _STAGING},
        )
        for name in (str(row["name"]) for row in rows):
            made = name.removeprefix(table + _STAGING).split("_")[0]
            if not made.isdecimal() or time.time() - int(made) > _LEFT_BEHIND_SECONDS:
                await warehouse.command(f"DROP TABLE IF EXISTS {name} {warehouse.cluster.on_cluster}")


async def record_sites(warehouse: Warehouse, sites: Mapping[str, SiteSettings]) -> list[str]:
    """Record the sites' time zones in the warehouse; where one changed, rebuild the site's days in the new zone.

    Returns:
        The sites whose days were rebuilt.

    Raises:
        WarehouseUnavailableError: Not recorded; run it again.
    """
    rows = await warehouse.query("SELECT site, timezone FROM sites FINAL")
    known = {row["site"]: row["timezone"] for row in rows}
    rebuilt = []
    for name, site in sites.items():
        if known.get(name) == site.timezone:
            continue
        if name in known:
            await rebuild_days(warehouse, name, site.timezone, await days_with_facts(warehouse, name))
            rebuilt.append(name)
        await warehouse.command(
            "INSERT INTO sites (site, timezone) VALUES ({site:String}, {timezone:String})",
            {"site": name, "timezone": site.timezone},
        )
    return rebuilt


_LACKING = """
SELECT months.site AS site, if(any(zones.timezone) = '', 'UTC', any(zones.timezone)) AS timezone,
    groupUniqArrayIf(months.month, (months.site, months.month) NOT IN
        (SELECT site, month FROM account_month_states WHERE is_whole = 1)) AS months
FROM (SELECT DISTINCT site, toStartOfMonth(day) AS month FROM user_day_states) AS months
LEFT JOIN (SELECT site, timezone FROM sites FINAL) AS zones ON zones.site = months.site
GROUP BY site
"""


async def fill_rollups(warehouse: Warehouse) -> None:
    """Give a warehouse of before the rollups what they lack: the months of accounts, newest first, then the rest.

    Killed at any moment, the next call goes on with the months that are left.

    Raises:
        WarehouseUnavailableError: Something is still lacking; call it again.
    """
    for row in await warehouse.query(_LACKING):
        for month in sorted({Month.of(day) for day in row["months"]}, key=lambda one: one.number, reverse=True):
            await _rebuild_month(warehouse, row["site"], row["timezone"], month)
        await refresh_site(warehouse, row["site"])


async def rebuild_site(
    warehouse: Warehouse, site: str, timezone: str, days: Sequence[date] | None, seats: SeatsSettings
) -> list[str]:
    """Rebuild days of a site, None for all, count its seats anew, and return the months, such as ``2026-11``.

    Args:
        warehouse: Where.
        site: Name of the site in the settings.
        timezone: Its reporting time zone.
        days: The days to mend; None for all that have facts.
        seats: The settings of seats, for their prices.

    Raises:
        WarehouseUnavailableError: It did not finish; run it again.
    """
    chosen = days if days is not None else await days_with_facts(warehouse, site)
    months = await rebuild_days(warehouse, site, timezone, chosen)
    await count_seats(warehouse, site, seats)
    return [f"{month.year}-{month.month:02}" for month in months]
