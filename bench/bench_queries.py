"""What reports cost beside the raw facts: a year of facts, every question through the SQL door's reading connection.

    python -m bench.bench_queries [--facts 1000000] [--people 2000] [--days 365] [--rounds 9] [--folder DIR]

Each round asks every question once, in turns, and so the raw count of 30-day actives. All run with the role, the memory
(512 MiB) and the threads of the door. `at 100 MiB` says whether a question is also answered within that. The
processor's time is of this process, engine and all: on a machine that has other work, it says more than the clock's.

Facts are made inside the engine and go in through ``activity_in``, as a consumer's do, so that every table that hangs
on it is fed. They lie on a straight line of time, most of them on weekdays; a few people do much and many little; a
webhook brings almost every fact and REST brings all of them once more.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from console.sqldoor.engine import Engine
from console.sqldoor.exceptions import DoorError
from console.sqldoor.profile import DoorLimits
from console.web.overview import last_webhook_stored, read_headcounts
from console.web.people import TableQuery, read_people
from rollcall.settings import SiteSettings
from rollcall.warehouse import Warehouse, migrate, open_warehouse, record_sites
from rollcall.warehouse.rollups import refresh_site

SITE = "acme"
TIMEZONE = "Europe/Berlin"
_BLOCK = 250_000
"""Facts an insert: more than a consumer's batch, or the engine would only merge."""

_QUIET_LOOKS = 4
"""Looks at the engine, half a second apart, that find no merge."""

_ACCOUNT = "concat('712020:', lower(hex(sipHash128(toUInt64({number})))))"

_FACTS = """
INSERT INTO activity_in
WITH
    {people:UInt64} AS people,
    cityHash64(number, 1) / 18446744073709551616.0 AS chance,
    -- The tenth that never acts stays out; the cube lets few do much.
    toUInt64(people * 0.9 * pow(chance, 3)) AS person,
    cityHash64(number, 2) % 100 AS kind,
    {start:Date} + toUInt32(intDiv(number * {days:UInt64}, {facts:UInt64})) AS planned,
    toDayOfWeek(planned) AS weekday,
    -- Of a weekend's facts nine of ten are the Friday's before.
    weekday > 5 AND cityHash64(number, 3) % 10 > 0 AND planned - 2 >= {start:Date} AS is_moved,
    planned - if(is_moved, weekday - 5, 0) AS worked,
    toUnixTimestamp(toDateTime(worked, 'UTC')) * 1000 + 25200000 + cityHash64(number, 4) % 36000000 AS moment,
    multiIf(kind < 25, 'comment', kind < 92, 'history', 'worklog') AS its_family
SELECT
    'acme' AS site,
    concat(its_family, ':', toString(10000000 + number)) AS event_key,
    ACCOUNT AS account_id,
    if(person % 50 = 49, 'app', 'atlassian') AS account_type,
    its_family AS family,
    'created' AS action,
    moment AS occurred_at,
    intDiv(number, 12) AS issue_id,
    concat('ACME-', toString(intDiv(number, 12))) AS issue_key,
    'ACME' AS project_key,
    if(its_family = 'history', ['status'], []) AS fields,
    {source:String} AS source,
    moment + 500 AS received_at,
    'Europe/Berlin' AS timezone
FROM numbers({first:UInt64}, {count:UInt64})
WHERE {source:String} = 'reconcile' OR cityHash64(number, 5) % 100 < 97
""".replace("ACCOUNT", _ACCOUNT.format(number="person"))

_DIRECTORY = (
    """
    INSERT INTO directory_users SELECT 'acme', {at:DateTime64(3, 'UTC')}, ACCOUNT, concat('Person ', toString(number)),
        if(number % 10 = 0, NULL, concat('person', toString(number), '@example.com')),
        if(number % 50 = 49, 'app', 'atlassian'), true
    FROM numbers({people:UInt64})
    """,
    """
    INSERT INTO directory_licenses SELECT 'acme', {at:DateTime64(3, 'UTC')}, product, ACCOUNT
    FROM numbers({people:UInt64}) ARRAY JOIN arrayFilter((_, n) -> n = 1, ['jira-software', 'jira-servicedesk',
        'jira-product-discovery', 'confluence'], [number % 10 > 0, number % 5 = 0, number % 20 = 0, number % 3 > 0])
        AS product
    """,
    """
    INSERT INTO directory_roles SELECT 'acme', {at:DateTime64(3, 'UTC')}, ACCOUNT, 'member',
        if(number % 3 = 0, 'group', 'product access') FROM numbers({people:UInt64})
    """,
    """
    INSERT INTO directory_seats SELECT 'acme', {at:DateTime64(3, 'UTC')}, product, {people:UInt64}, 0
    FROM (SELECT arrayJoin(['jira-software', 'jira-servicedesk', 'jira-product-discovery', 'confluence']) AS product)
    """,
    """
    INSERT INTO directory_snapshots (site, snapshot_id, completed_at, users, licenses, roles, seats, lacks)
    SELECT 'acme', {at:DateTime64(3, 'UTC')}, {at:DateTime64(3, 'UTC')},
        {people:UInt64}, 0, {people:UInt64}, 4, []
    """,
)


@dataclass(frozen=True, slots=True)
class SyntheticYear:
    """What to make.

    Attributes:
        facts: How many facts.
        people: How many accounts the directory lists.
        days: How many days the facts lie on; the last of them is `today`.
        today: The last day.
    """

    facts: int
    people: int
    days: int
    today: date

    async def write_facts(self, warehouse: Warehouse, source: str) -> None:
        """Insert the facts that a source (``webhook`` or ``reconcile``) brings. Raises WarehouseUnavailableError."""
        for first in range(0, self.facts, _BLOCK):
            await warehouse.command(
                _FACTS,
                {
                    "people": self.people,
                    "days": self.days,
                    "facts": self.facts,
                    "start": self.today - timedelta(days=self.days - 1),
                    "source": source,
                    "first": first,
                    "count": min(_BLOCK, self.facts - first),
                },
            )

    async def write_directory(self, warehouse: Warehouse) -> None:
        """Insert a snapshot of the directory, as of the beginning of `today`. Raises WarehouseUnavailableError."""
        for statement in _DIRECTORY:
            filled = statement.replace("ACCOUNT", _ACCOUNT.format(number="number"))
            await warehouse.command(filled, {"people": self.people, "at": f"{self.today} 00:00:00.000"})

    async def write(self, warehouse: Warehouse) -> None:
        """Insert all of it, webhooks first. Raises WarehouseUnavailableError."""
        await self.write_directory(warehouse)
        for source in ("webhook", "reconcile"):
            await self.write_facts(warehouse, source)


async def settled(warehouse: Warehouse) -> None:
    """Wait until the engine has merged what it merges by itself. Raises WarehouseUnavailableError."""
    quiet = 0
    while quiet < _QUIET_LOOKS:
        await asyncio.sleep(0.5)
        rows = await warehouse.query("SELECT count() AS running FROM system.merges WHERE database = currentDatabase()")
        quiet = 0 if rows[0]["running"] else quiet + 1


_RAW = """
    SELECT uniqExact(account_id) FROM activity FINAL
    WHERE toDate(occurred_at, 'Europe/Berlin') > toDate(now(), 'Europe/Berlin') - 30 AND account_id != ''
"""
RAW = "raw: 30-day actives of activity FINAL"
_ALL_READ = "the same without the index of time"
QUESTIONS = {
    RAW: _RAW,
    # As where ids do not follow time; here the index by time spares most of the reading.
    _ALL_READ: _RAW,
    "active_users_daily, 30 days": "SELECT * FROM active_users_daily WHERE site = 'acme' AND day > today() - 30",
    "active_users_daily, all": "SELECT * FROM active_users_daily",
    "user_days, 30 days": "SELECT count() FROM user_days WHERE site = 'acme' AND day > today() - 30",
    "user_usage_30d": "SELECT * FROM user_usage_30d",
    "user_usage(days = 365)": "SELECT * FROM user_usage(days = 365)",
    "license_usage_30d": "SELECT * FROM license_usage_30d",
    "idle_licenses": "SELECT * FROM idle_licenses",
    "webhook_coverage_daily, 30 days": """
        SELECT * FROM webhook_coverage_daily WHERE site = 'acme' AND day > today() - 30
    """,
    "webhook_coverage_daily, all": "SELECT * FROM webhook_coverage_daily",
}
SETTINGS = {_ALL_READ: {"use_skip_indexes": 0}}
GOALS = {
    "active_users_daily, 30 days": 50.0,
    "user_usage_30d": 5.0,
    "license_usage_30d": 30.0,
    "idle_licenses": 10.0,
    "webhook_coverage_daily, 30 days": 30.0,
    "the page, a new view": 5.0,
}
TIGHT = 100 * 1024**2


@dataclass
class Measured:
    """Times of one question in ms, by the clock and of the processor, and the first error it met."""

    times: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.times)


def ask(engine: Engine, sql: str, **settings: int) -> tuple[float, float]:
    """Ask as the door does; return the milliseconds of the statement alone, and the processor's. Raises DoorError."""
    with engine.handle("bench") as handle:
        if settings:
            handle.set(settings)
        began, busy = time.perf_counter(), time.process_time()
        handle.run(f"{sql} INTO OUTFILE '/dev/null' TRUNCATE FORMAT RowBinary", {})
        return (time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000


async def page(warehouse: Warehouse, number: int) -> tuple[float, float]:
    """Read what the page shows of a view that nobody asked for before; return the milliseconds, and the processor's."""
    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(read_headcounts(warehouse, SITE), last_webhook_stored(warehouse, SITE))
    await read_people(warehouse, TableQuery(SITE, search=f"person {number}"))
    return (time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000


async def measured(engine: Engine, warehouse: Warehouse, rounds: int) -> dict[str, Measured]:
    """Ask every question in turns; the first round only warms up."""
    found = {name: Measured() for name in [*QUESTIONS, "the page, a new view"]}
    for turn in range(rounds + 1):
        for name, one in found.items():
            if one.error:
                continue
            try:
                if name in QUESTIONS:
                    taken = await asyncio.to_thread(partial(ask, engine, QUESTIONS[name], **SETTINGS.get(name, {})))
                else:
                    taken = await page(warehouse, turn)
            except DoorError as error:
                one.error = error.body.partition("\n")[0][:90]
                continue
            if turn:
                one.times.append(taken[0])
                one.processor.append(taken[1])
    return found


def told(engine: Engine, found: dict[str, Measured]) -> None:
    """Print the table."""
    raw, raw_busy = found[RAW].median, statistics.median(found[RAW].processor)
    print("\n| question | median ms | spread | beside raw | processor ms | beside raw | goal | at 100 MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, one in found.items():
        if one.error:
            print(f"| {name} | {one.error} | | | | | | |")
            continue
        goal = f"{GOALS[name]:g}x" if name in GOALS else ""
        tight = ""
        if name in QUESTIONS:
            try:
                ask(engine, QUESTIONS[name], max_memory_usage=TIGHT)
                tight = "yes"
            except DoorError:
                tight = "no"
        spread = f"{min(one.times):,.1f} to {max(one.times):,.1f}"
        busy = statistics.median(one.processor)
        print(
            f"| {name} | {one.median:,.1f} | {spread} | {raw / one.median:,.1f}x "
            f"| {busy:,.1f} | {raw_busy / busy:,.1f}x | {goal} | {tight} |"
        )


async def sizes(warehouse: Warehouse, facts: int) -> None:
    """Print what each table of facts takes."""
    rows = await warehouse.query(
        "SELECT table, sum(rows) AS n, sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts "
        "WHERE active AND database = currentDatabase() GROUP BY table HAVING n > 1000 ORDER BY bytes DESC"
    )
    for row in rows:
        print(
            f"{row['table']:24} {row['n']:12,} rows {row['bytes'] / 1e6:9,.1f} MB {row['parts']:4} parts, "
            f"{row['bytes'] / facts:6.1f} bytes a fact, {row['bytes'] / row['n']:6.1f} a row"
        )


async def main() -> None:
    """Generate, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, help="accounts of the directory; a 500th of the facts unless given")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where the warehouse is made; used again when it is there")
    given = parser.parse_args()
    people = given.people or max(10, given.facts // 500)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="bench-queries"))
    try:
        warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a benchmark")
        await migrate(warehouse)
        site = {"url": "https://acme.atlassian.net", "webhook_secrets": ["0123456789abcdef"], "timezone": TIMEZONE}
        await record_sites(warehouse, {SITE: SiteSettings.model_validate(site)})
        if not await warehouse.query("SELECT 1 FROM directory_snapshots LIMIT 1"):
            began = time.monotonic()
            today = datetime.now(UTC).date()
            await SyntheticYear(facts=given.facts, people=people, days=given.days, today=today).write(warehouse)
            print(f"generated in {time.monotonic() - began:.0f} s", file=sys.stderr)
            await refresh_site(warehouse, SITE)
            await settled(warehouse)
        engine = Engine(folder / "warehouse", DoorLimits())
        await asyncio.to_thread(engine.open)
        print(f"{given.facts:,} facts, {people:,} people, {given.days} days; chDB {engine.version}")
        await sizes(warehouse, given.facts)
        told(engine, await measured(engine, warehouse, given.rounds))
        engine.close()
        await warehouse.close()
    finally:
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
