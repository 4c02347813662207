"""Erasure of forgotten accounts, on both engines, cut short at any moment; and where an id may stand."""

from typing import Any

import pytest

from consumers.writers import DirectoryWriter
from rollcall.clock import now_ms
from rollcall.eventlog import Entry
from rollcall.forgotten_accounts import ForgottenAccounts, KeptOut, forgotten_in
from rollcall.records import Directory, License, Seats, SnapshotComplete, User, encode
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.erasure import erase_forgotten, forget_closed, remember_forgotten, remove_snapshots, search

from ..facts import SITES, fact, ms, write
from ..failures import FailingWarehouse, Failures
from .engines import on_a_real_server_too

pytestmark = pytest.mark.anyio

ANNA, BERT = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077", "5b10ac8d82e05b22cc7d4ef5"
AT = "2026-11-02T10:00:00"
FACTS = [
    fact(f"history:{number}", AT, account_id=who, source=source)
    for number, who in enumerate((ANNA, BERT))
    for source in ("webhook", "reconcile")
]


async def figures(warehouse: Warehouse) -> tuple[object, ...]:
    days = await warehouse.query("SELECT day, active FROM active_users_daily WHERE active > 0")
    coverage = await warehouse.query("SELECT day, known FROM webhook_coverage_daily")
    return days, coverage, await warehouse.query("SELECT DISTINCT account_id FROM user_usage_30d")


async def forget(warehouse: Warehouse) -> dict[str, int]:
    return await erase_forgotten(warehouse, SITES, SeatsSettings())


@on_a_real_server_too
async def test_cut_short_at_any_moment_the_next_one_does_the_rest(warehouse: Warehouse) -> None:
    await write(warehouse, *FACTS[2:])
    without = await figures(warehouse)
    entry = ForgottenAccounts().entry_for(ANNA)
    at, done = 1, False
    while not done:
        await write(warehouse, *FACTS[:2])
        assert await figures(warehouse) != without
        await remember_forgotten(warehouse, [entry])
        failures = Failures(at)
        try:
            await forget(FailingWarehouse(warehouse, failures))
            done = True
        except Exception:
            await forget(warehouse)
        assert await figures(warehouse) == without, at
        assert await search(warehouse, ANNA) == {}, at
        assert await forget(warehouse) == {}
        at += 8
    assert at > 30  # so many statements it has


CARL, DORA = "5b10ac8d82e05b22cc7d4ef6", "5b10ac8d82e05b22cc7d4ef7"
DAY = 86_400_000


async def test_closed_accounts_go_after_their_days_and_come_back_when_active(warehouse: Warehouse) -> None:
    begin = ms("2026-09-01T02:00:00")
    writer = DirectoryWriter(warehouse, kept_out=KeptOut(warehouse, None))

    async def snapshot(day: int, **active: bool) -> list[str]:
        base: dict[str, Any] = {"site": "acme", "snapshot_id": begin + day * DAY}
        named = {"anna": ANNA, "bert": BERT, "carl": CARL, "dora": DORA}
        rows: list[Directory] = [
            User(account_id=named[name], account_type="atlassian", active=is_active, **base)
            for name, is_active in active.items()
        ]
        counts: dict[str, Any] = {"users": len(active), "licenses": 0, "roles": 0, "seats": 0}
        rows.append(SnapshotComplete(completed_at=begin + day * DAY, **counts, **base))
        await writer.write([Entry(encode(row), 0, number, "") for number, row in enumerate(rows)])
        await forget_closed(warehouse, 30, SITES, SeatsSettings())
        listed = await warehouse.query("SELECT DISTINCT account_id FROM directory_users ORDER BY account_id")
        return [name for row in listed for name, account in named.items() if account == row["account_id"]]

    await write(warehouse, fact("history:7", AT, account_id=ANNA))
    assert await snapshot(0, anna=True, bert=True, carl=True, dora=True) == ["anna", "bert", "carl", "dora"]
    assert await snapshot(10, anna=False, carl=True, dora=True) == ["anna", "bert", "carl", "dora"]
    assert await snapshot(39, anna=False, carl=True, dora=True) == ["anna", "bert", "carl", "dora"]
    assert await snapshot(40, anna=False, carl=True, dora=False) == ["carl", "dora"]
    assert await search(warehouse, ANNA) == {}
    assert await snapshot(41, anna=False, carl=True, dora=False) == ["carl", "dora"]
    # Days that nobody read make nobody closed for so long, and who is back counts again.
    assert await snapshot(69, anna=True, bert=False, carl=False, dora=False) == ["anna", "carl", "dora"]
    assert await snapshot(70, anna=True, bert=False, carl=False, dora=False) == ["anna", "carl"]


async def test_whom_somebody_asked_to_forget_does_not_come_back_by_being_active(warehouse: Warehouse) -> None:
    entry = ForgottenAccounts().entry_for(ANNA)
    await remember_forgotten(warehouse, [entry], "closed")
    assert (await forgotten_in(warehouse)).closed == {entry}
    await remember_forgotten(warehouse, [entry])
    base: dict[str, Any] = {"site": "acme", "snapshot_id": ms(AT)}
    user = User(account_id=ANNA, account_type="atlassian", active=True, **base)
    await DirectoryWriter(warehouse, kept_out=KeptOut(warehouse, None)).write([Entry(encode(user), 0, 1, "")])
    assert await search(warehouse, ANNA) == {}


async def test_old_directories_go_and_what_reports_say_stays(warehouse: Warehouse) -> None:
    today = now_ms()
    for age, lacks in ((200, []), (150, []), (120, ["licenses"]), (1, ["licenses"]), (0, ["licenses"])):
        base: dict[str, Any] = {"site": "acme", "snapshot_id": today - age * DAY - 60_000}
        rows: list[Directory] = [User(account_id=ANNA, account_type="atlassian", **base)]
        if not lacks:
            rows.append(License(product="jira-software", account_id=ANNA, **base))
            rows.append(Seats(product="jira-software", total=5, used=1, **base))
        counts: dict[str, Any] = {"users": 1, "licenses": 1, "roles": 0, "seats": 1}
        rows.append(SnapshotComplete(completed_at=base["snapshot_id"], lacks=lacks, **counts, **base))
        await DirectoryWriter(warehouse).write([Entry(encode(row), 0, number, "") for number, row in enumerate(rows)])
    told = "SELECT product, account_id, verdict, granted_by FROM seats"
    before = await warehouse.query(told)
    assert len(before) == 1
    assert await remove_snapshots(warehouse, 0) == 0
    # Of the three old ones that of 150 days ago stays whole: it is the newest that has licenses.
    assert await remove_snapshots(warehouse, 100) == 2 + 2
    assert await warehouse.query(told) == before
    assert await warehouse.query("SELECT count() AS users FROM directory_users") == [{"users": 3}]
    assert await remove_snapshots(warehouse, 100) == 0
