"""A rebuild mends what incremental states cannot forget, and loses nothing while facts pour in."""

import asyncio
from datetime import date
from typing import Any

import pytest

from consumers.writers import ActivityWriter
from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Warehouse, days_with_facts, migrate, open_warehouse, rebuild_days, record_sites
from rollcall.warehouse.rollup_check import differing_rows

from ..facts import ACME, SITES, TOKYO, entries, fact, migrated, ms, write
from ..failures import FailingWarehouse, Failures
from .engines import on_a_real_server_too

pytestmark = [pytest.mark.anyio, on_a_real_server_too]

BERLIN = "Europe/Berlin"


async def user_days(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    found = await warehouse.query("SELECT account_id, day FROM user_days ORDER BY account_id, day")
    return [(row["account_id"], row["day"].isoformat()) for row in found]


@pytest.mark.parametrize("midnight", ["2026-10-31T23:00:00", "2026-11-04T23:00:00"], ids=["month", "day"])
async def test_one_act_with_two_clocks_across_midnight_is_one_day(warehouse: Warehouse, midnight: str) -> None:
    before, after = ms(midnight) - 3, ms(midnight) + 2
    await write(warehouse, fact("history:1", before), fact("history:1", after, source="reconcile"))
    assert len(await user_days(warehouse)) == 2
    day = date.fromisoformat(midnight[:10])
    await rebuild_days(warehouse, "acme", BERLIN, [day])
    await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 10, 31), date(2026, 11, 1)])
    assert await user_days(warehouse) == [("anna", "2026-11-01" if "10-31" in midnight else "2026-11-05")]


async def test_an_actor_learned_later_replaces_the_wrong_one(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00", account_id="wrong"))
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00", account_id="right", source="reconcile"))
    await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
    assert await user_days(warehouse) == [("right", "2026-11-02")]
    assert await warehouse.query("SELECT account_id FROM accounts") == [{"account_id": "right"}]


async def test_a_month_without_facts_is_emptied(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-09-02T10:00:00"), fact("history:2", "2026-11-02T10:00:00"))
    await warehouse.command("DELETE FROM activity WHERE event_key = 'history:1'")
    await rebuild_days(warehouse, "acme", BERLIN, await days_with_facts(warehouse, "acme"))
    assert await user_days(warehouse) == [("anna", "2026-11-02")]


async def test_other_sites_and_months_stay(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-10-02T10:00:00"), fact("history:2", "2026-11-02T10:00:00"))
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00", site="other", account_id="olga"))
    before = await user_days(warehouse)
    months = await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2), date(2026, 11, 20)])
    assert [month.number for month in months] == [202611]
    assert await user_days(warehouse) == before


async def test_facts_inserted_while_a_rebuild_runs_are_kept(warehouse: Warehouse) -> None:
    """Inserts land before, during and after every swap; afterwards each account has its day."""
    base = ms("2026-11-02T10:00:00")
    written: list[str] = []
    ended = asyncio.Event()

    async def pour() -> None:
        n = 0
        while not ended.is_set() or n < 50:
            names = [f"account{n}-{i}" for i in range(20)]
            facts = [fact(f"history:{n}{i:02}", base, account_id=name) for i, name in enumerate(names)]
            await ActivityWriter(warehouse, SITES).write(entries(facts))
            written.extend(names)
            n += 1

    pouring = asyncio.create_task(pour())
    for _ in range(15):
        await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
        before = set(written)
        assert before - {who for who, _ in await user_days(warehouse)} == set()
    ended.set()
    await pouring
    assert {who for who, _ in await user_days(warehouse)} == set(written)
    assert await warehouse.query("SELECT name FROM system.tables WHERE name LIKE '%staging%'") == []


async def test_a_fact_that_lands_just_before_the_swap_is_kept(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00"))
    command = warehouse.command

    async def with_a_late_fact(sql: str, parameters: Any = None) -> None:
        if sql.startswith("ALTER TABLE user_day_states"):
            await write(warehouse, fact("history:2", "2026-11-02T10:00:00", account_id="late"))
        await command(sql, parameters)

    monkeypatch.setattr(warehouse, "command", with_a_late_fact)
    await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
    assert [who for who, _ in await user_days(warehouse)] == ["anna", "late"]


async def test_an_insert_under_way_at_the_swap_is_waited_for(warehouse: Warehouse) -> None:
    """One insert fills several tables, one after the other: here the rollup is done, and the facts come late."""
    late = fact("history:2", "2026-11-02T10:00:00", account_id="late")
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00"), late)
    await warehouse.command("CREATE TABLE activity_in_late AS activity")
    await warehouse.command("INSERT INTO activity_in_late SELECT * FROM activity WHERE event_key = 'history:2'")
    await warehouse.command("DELETE FROM activity WHERE event_key = 'history:2'")
    slow = "INSERT INTO activity SELECT * FROM activity_in_late WHERE sleepEachRow(2) = 0"
    inserting = asyncio.create_task(warehouse.command(slow))
    try:
        while not await warehouse.query(
            "SELECT 1 FROM system.processes WHERE startsWith(query, 'INSERT INTO activity ')"
        ):
            assert not inserting.done()
            await asyncio.sleep(0.01)
        await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
        await inserting
        assert await user_days(warehouse) == [("anna", "2026-11-02"), ("late", "2026-11-02")]
    finally:
        await asyncio.wait([inserting])
        await warehouse.command("DROP TABLE activity_in_late")


async def test_rebuilds_side_by_side_leave_each_other_alone_and_old_remains_go(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00"))
    await warehouse.command("CREATE TABLE user_day_states_staging_1700000000_ab AS user_day_states")
    await asyncio.gather(*(rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)]) for _ in range(12)))
    assert len(await user_days(warehouse)) == 1
    assert await warehouse.query("SELECT name FROM system.tables WHERE name LIKE '%staging%'") == []


async def test_a_rebuild_that_begins_before_another_has_ended_leaves_it_alone(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00"))
    command, swaps = warehouse.command, 0

    async def with_another(sql: str, parameters: Any = None) -> None:
        nonlocal swaps
        if sql.startswith("ALTER TABLE user_day_states"):
            swaps += 1
            if swaps == 1:
                await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
        await command(sql, parameters)

    monkeypatch.setattr(warehouse, "command", with_another)
    await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 2)])
    assert swaps == 2
    assert len(await user_days(warehouse)) == 1


async def test_a_changed_time_zone_rebuilds_the_sites_days(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T16:30:00"))
    assert await record_sites(warehouse, {"acme": ACME}) == []
    assert await user_days(warehouse) == [("anna", "2026-11-02")]
    await write(warehouse, fact("history:1", "2026-11-02T16:30:00", source="reconcile"))
    assert await record_sites(warehouse, {"acme": TOKYO}) == ["acme"]
    assert await user_days(warehouse) == [("anna", "2026-11-03")]
    found = await differing_rows(warehouse, "acme", TOKYO.timezone)
    assert found == dict.fromkeys(found, 0)


async def test_a_time_zone_is_recorded_only_once_its_days_are_rebuilt(warehouse: Warehouse) -> None:
    """Wherever it dies, the next start does the rest."""
    await write(warehouse, fact("history:1", "2026-11-02T16:30:00"))
    for first in range(1, 60):
        moved, day = (TOKYO, "2026-11-03") if first % 2 else (ACME, "2026-11-02")
        failures = Failures(first)
        try:
            await record_sites(FailingWarehouse(warehouse, failures), {"acme": moved})
        except WarehouseUnavailableError:
            assert await record_sites(warehouse, {"acme": moved}) == ["acme"]
            assert await user_days(warehouse) == [("anna", day)]
        else:
            break
    assert failures.calls == first - 1 > 4
    for left in await warehouse.query("SELECT name FROM system.tables WHERE name LIKE '%_staging_%'"):
        await warehouse.command(f"DROP TABLE {left['name']}")  # the other tests' server is this one


async def test_migrations_apply_once_and_survive_reopening(warehouse_url: str) -> None:
    async with migrated(warehouse_url) as warehouse:
        await write(warehouse, fact("history:1", "2026-11-02T16:30:00"))
    warehouse = await open_warehouse(warehouse_url, "a test")
    try:
        assert await migrate(warehouse) == []
        assert await user_days(warehouse) == [("anna", "2026-11-02")]
    finally:
        await warehouse.close()
