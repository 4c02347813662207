"""Every rollup says what raw facts say, whatever happened before."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from consumers.refresher import Refresher
from consumers.writers import ActivityWriter, DirectoryWriter, TouchedSites
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import Entry
from rollcall.records import Activity, License, Seats, SnapshotComplete, User, encode
from rollcall.warehouse import Warehouse, migrate, open_warehouse, rebuild_days, require_current
from rollcall.warehouse.migrations import all_migrations, pending
from rollcall.warehouse.rollup_check import differing_rows
from rollcall.warehouse.rollups import refresh_accounts

from ..facts import ACME, SITES, Refreshing, entries, fact
from ..failures import FailingWarehouse, Failures
from .engines import on_a_real_server_too

pytestmark = [pytest.mark.anyio, on_a_real_server_too]

ACCOUNTS = [f"account{n}" for n in range(12)]
DAY = 86_400_000
SNAPSHOT = 1_700_000_000_000


def today() -> date:
    return datetime.now(ACME.zone()).date()


def noon() -> int:
    """Noon of today there, epoch ms."""
    at = datetime.combine(today(), datetime.min.time(), ACME.zone()) + timedelta(hours=12)
    return int(at.astimezone(UTC).timestamp() * 1000)


def some_facts(seed: int, count: int = 120) -> list[Activity]:
    """Facts of the last 70 days, each by a webhook, by REST, or by both, some of them moved over midnight by REST."""
    chance = random.Random(seed)
    midnight = noon() - DAY // 2
    found = []
    for n in range(count):
        family = chance.choice(("comment", "history", "worklog"))
        at = midnight - chance.randrange(70) * DAY - chance.choice((1, 2, chance.randrange(DAY)))
        values: dict[str, Any] = {
            "account_id": chance.choice(ACCOUNTS),
            "account_type": chance.choice(("", "atlassian")),
        }
        key, both = f"{family}:{seed}{n:04}", chance.random()
        if both < 0.8:
            found.append(fact(key, at, **values))
        if both > 0.3:
            found.append(fact(key, at + chance.choice((0, 3)), source="reconcile", **values))
    return found


def directory(snapshot: int, types: Sequence[Any]) -> list[Entry]:
    base: dict[str, Any] = {"site": "acme", "snapshot_id": snapshot}
    people = list(zip(ACCOUNTS, types, strict=True))
    rows: list[Any] = [User(account_id=one, display_name=one, account_type=kind, **base) for one, kind in people]
    rows += [License(product="jira-software", account_id=one, **base) for one in ACCOUNTS[::2]]
    rows += [Seats(product="jira-software", total=10, used=6, **base)]
    counts: dict[str, Any] = {"users": len(people), "licenses": 6, "roles": 0, "seats": 1}
    rows.append(SnapshotComplete(completed_at=snapshot + 1, **counts, **base))
    return [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]


async def rebuilt(warehouse: Warehouse) -> None:
    """As a reconcile does at its end."""
    days = [today() - timedelta(days=before) for before in range(75)]
    await rebuild_days(warehouse, "acme", ACME.timezone, days)


async def assert_as_raw(warehouse: Warehouse) -> None:
    found = await differing_rows(warehouse, "acme", ACME.timezone)
    assert found == dict.fromkeys(found, 0)


@pytest.fixture
async def writer(warehouse: Warehouse) -> Refreshing:
    await Refreshing(warehouse, DirectoryWriter).write(directory(SNAPSHOT, ["atlassian", "atlassian", "app", ""] * 3))
    return Refreshing(warehouse)


async def test_after_duplicates_and_shuffling(warehouse: Warehouse, writer: Refreshing) -> None:
    facts = some_facts(1)
    again = [*facts, *facts[::5]]
    random.Random(1).shuffle(again)
    for first in range(0, len(again), 40):
        await writer.write(entries(again[first : first + 40]))
    await rebuilt(warehouse)
    await assert_as_raw(warehouse)


async def test_facts_that_no_clock_moved_need_no_rebuild(warehouse: Warehouse, writer: Refreshing) -> None:
    facts = [one for one in some_facts(2) if one.source == "webhook"]
    for first in range(0, len(facts), 30):
        await writer.write(entries(facts[first : first + 30]))
    await assert_as_raw(warehouse)
    await writer.write(entries([fact(one.event_key, one.occurred_at, source="reconcile") for one in facts[::3]]))
    assert (await differing_rows(warehouse, "acme", ACME.timezone))["webhook_coverage_daily"] == 0


async def test_a_type_that_becomes_known_late_changes_all_days(warehouse: Warehouse, writer: Refreshing) -> None:
    await writer.write(entries([one for one in some_facts(3) if one.source == "webhook"]))
    before = await warehouse.query("SELECT day, active FROM active_users_daily WHERE site = 'acme'")
    await Refreshing(warehouse, DirectoryWriter).write(
        directory(SNAPSHOT + 1000, ["app", "atlassian", "atlassian", "atlassian"] * 3)
    )
    await assert_as_raw(warehouse)
    assert await warehouse.query("SELECT day, active FROM active_users_daily WHERE site = 'acme'") != before


async def test_a_writer_that_dies_anywhere_leaves_nothing_behind(warehouse: Warehouse, writer: Refreshing) -> None:
    facts = [one for one in some_facts(4) if one.source == "webhook"]
    await writer.write(entries(facts[:60]))
    for first in range(1, 40):
        batch = entries(facts[60 : 60 + first])
        failures = Failures(first)
        try:
            await Refreshing(FailingWarehouse(warehouse, failures)).write(batch)
        except WarehouseUnavailableError:
            await Refreshing(warehouse).write(batch)  # as after the next start
            await assert_as_raw(warehouse)
        else:
            break
    assert failures.calls == first - 1 > 4


async def test_what_was_put_off_is_computed_by_who_takes_over(warehouse: Warehouse, writer: Refreshing) -> None:
    facts = [one for one in some_facts(5) if one.source == "webhook"]
    # A backfill reads older days than who takes over looks at unasked.
    facts += [fact(f"comment:old{n}", noon() - (100 + n) * DAY, source="reconcile") for n in range(5)]
    dying = ActivityWriter(warehouse, SITES)
    await dying.write(entries(facts[:20]))
    await dying.write(entries(facts[20:]))
    assert any((await differing_rows(warehouse, "acme", ACME.timezone)).values())
    touched = TouchedSites(SITES)
    touched.taken()
    await Refresher(warehouse, touched, SITES).settle()
    await assert_as_raw(warehouse)


async def test_rollups_follow_the_writing_and_the_stop_waits_for_the_last(
    warehouse: Warehouse, writer: Refreshing
) -> None:
    facts = [one for one in some_facts(8) if one.source == "webhook"]
    touched, stop = TouchedSites(SITES), asyncio.Event()
    running = asyncio.create_task(Refresher(warehouse, touched, SITES).run(stop))
    beside = ActivityWriter(warehouse, SITES, touched)
    await beside.write(entries(facts[:30]))
    async with asyncio.timeout(60):
        while any((await differing_rows(warehouse, "acme", ACME.timezone)).values()):
            await asyncio.sleep(0.1)
    await beside.write(entries(facts[30:]))
    stop.set()
    await running
    await assert_as_raw(warehouse)


async def test_partitions_taken_over_one_after_the_other_are_computed_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = list[str]()

    async def counted(warehouse: Warehouse, site: str) -> None:
        computed.append(site)
        await refresh_accounts(warehouse, site)

    monkeypatch.setattr("consumers.refresher.refresh_accounts", counted)
    touched, stop = TouchedSites(SITES), asyncio.Event()
    running = asyncio.create_task(Refresher(warehouse, touched, SITES).run(stop))
    for times, members in (1, 1), (2, 3):
        for _ in range(members):
            touched.taken()
            await asyncio.sleep(0.6)
        async with asyncio.timeout(60):
            while len(computed) < times * len(SITES):
                await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)  # another computation would have begun
    assert len(computed) == 2 * len(SITES)
    stop.set()
    await running


async def test_what_could_not_be_computed_stays_noted(warehouse: Warehouse, writer: Refreshing) -> None:
    touched = TouchedSites(SITES)
    await ActivityWriter(warehouse, SITES, touched).write(entries(some_facts(9, 10)))
    failures = Failures(2, 2)
    refresher = Refresher(FailingWarehouse(warehouse, failures), touched, SITES)
    with pytest.raises(WarehouseUnavailableError):
        await refresher.settle()
    await refresher.settle()
    await rebuilt(warehouse)
    await assert_as_raw(warehouse)
    assert touched.take() == {}


async def test_nothing_is_computed_while_accounts_are_erased(warehouse: Warehouse) -> None:
    """What was read before would be written after, and bring back who has just been taken out."""
    touched = TouchedSites(SITES)
    refresher = Refresher(warehouse, touched, SITES)
    assert await ActivityWriter(warehouse, SITES, touched).write(entries([fact("comment:1:created", noon())])) == []
    computed = "SELECT account_id FROM account_rollup"
    async with refresher.paused():
        settling = asyncio.create_task(refresher.settle())
        await asyncio.wait({settling}, timeout=0.5)
        assert not settling.done()
        assert await warehouse.query(computed) == []
    await settling
    assert await warehouse.query(computed) == [{"account_id": "anna"}]


async def test_a_rebuild_computes_all_that_hangs_on_its_days(warehouse: Warehouse, writer: Refreshing) -> None:
    await ActivityWriter(warehouse, SITES).write(entries(some_facts(10)))
    await rebuilt(warehouse)
    await assert_as_raw(warehouse)


async def test_an_act_dated_tomorrow_makes_nobody_active_today(warehouse: Warehouse, writer: Refreshing) -> None:
    tomorrow = noon() + DAY
    await writer.write(
        entries(
            [
                fact("comment:1", tomorrow, account_id=ACCOUNTS[0]),
                fact("comment:2", tomorrow, account_id=ACCOUNTS[4]),
                fact("comment:3", noon() - 20 * DAY, account_id=ACCOUNTS[4]),
                fact("comment:4", noon() - 29 * DAY, account_id=ACCOUNTS[8]),
            ]
        )
    )
    await assert_as_raw(warehouse)
    rows = await warehouse.query("SELECT account_id FROM idle_licenses ORDER BY account_id")
    assert ACCOUNTS[0] in [row["account_id"] for row in rows]
    assert not {ACCOUNTS[4], ACCOUNTS[8]} & {row["account_id"] for row in rows}


async def test_several_writers_beside_rebuilds(warehouse: Warehouse, writer: Refreshing) -> None:
    facts = some_facts(6, 160)

    async def write(part: int) -> None:
        own = Refreshing(warehouse)
        mine = facts[part::4]
        for first in range(0, len(mine), 20):
            await own.write(entries(mine[first : first + 20]))

    async with asyncio.TaskGroup() as group:
        for part in range(4):
            group.create_task(write(part))
        group.create_task(rebuilt(warehouse))
    await rebuilt(warehouse)
    await assert_as_raw(warehouse)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM user_days WHERE site = 'acme' AND day > today() - 30",
        "SELECT * FROM user_usage_30d WHERE site = 'acme'",
        "SELECT * FROM idle_licenses WHERE site = 'acme'",
    ],
)
async def test_a_months_answer_reads_a_month_of_a_year(warehouse: Warehouse, question: str) -> None:
    whole = {"user_day_states": 365 * 500, "account_month_states": 12 * 500}
    await warehouse.command(
        """
        INSERT INTO user_day_states SELECT
            'acme', today() - number % 365, concat('account', toString(intDiv(number, 365))),
            now() - 86400 * (number % 365), now() - 86400 * (number % 365), 2
        FROM numbers(365 * 500)
        """
    )
    await warehouse.command(
        """
        INSERT INTO account_month_states SELECT
            'acme', toStartOfMonth(addMonths(today(), -(number % 12))), concat('account', toString(intDiv(number, 12))),
            now(), 1, 0, 1, 0, [number], 1
        FROM numbers(12 * 500)
        """
    )
    parts = await warehouse.query(f"EXPLAIN ESTIMATE {question}")
    read = {row["table"]: row["rows"] for row in parts}
    assert {*read} & {*whole}
    assert read.get("user_day_states", 0) <= whole["user_day_states"] * 1.5 / 12
    # A row is a month: 30 days lie in two of them, and in three around a February.
    assert read.get("account_month_states", 0) <= whole["account_month_states"] * 3 / 12


async def test_a_warehouse_of_before_is_filled_behind_its_old_views(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever that is cut short, the next call goes on."""
    warehouse = await open_warehouse(warehouse_url, "a test")
    asked = "SELECT account_id, comments, active_days FROM user_usage_30d ORDER BY account_id"
    facts = [one for one in some_facts(7) if one.source == "webhook"]
    try:
        for table in ("activity_in_to_user_day_states", *dropped(await warehouse.query("SHOW TABLES"))):
            await warehouse.command(f"DROP TABLE IF EXISTS {table}")
        with monkeypatch.context() as before:
            first = all_migrations()[:1]
            before.setattr("rollcall.warehouse.migrations.all_migrations", lambda: first)
            await migrate(warehouse)
            await record_sites_of_before(warehouse)
            rows = [encode(one)[:-1] + b',"timezone":"Europe/Berlin"}' for one in facts]
            await warehouse.insert_lines("activity_in", rows)
            usage = await warehouse.query(asked)
        await migrate(warehouse, leave_filling=True)
        await require_current(warehouse)
        assert [one.version for one in await pending(warehouse)] == [3]
        assert await warehouse.query(asked) == usage
        for first_failure in range(1, 200, 7):
            try:
                await migrate(FailingWarehouse(warehouse, Failures(first_failure)))
            except WarehouseUnavailableError:
                continue
            break
        assert await pending(warehouse) == []
        assert await warehouse.query(asked) == usage
        await assert_as_raw(warehouse)
    finally:
        await warehouse.close()


def dropped(tables: Sequence[dict[str, Any]]) -> list[str]:
    """What a server has of earlier tests, ways in first."""
    names = [str(row["name"]) for row in tables]
    return sorted(names, key=lambda name: not name.startswith("activity_in_to"))


async def record_sites_of_before(warehouse: Warehouse) -> None:
    await warehouse.command("INSERT INTO sites (site, timezone) VALUES ('acme', 'Europe/Berlin')")
