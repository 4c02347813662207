"""What the writers make of records, and of rows that the engine refuses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.writers import DirectoryWriter, insert_all
from rollcall.eventlog import Entry
from rollcall.records import License, Role, Seats, SnapshotComplete, User, encode
from rollcall.warehouse import Warehouse

from ..facts import entries, fact, ms
from ..warehouse.engines import on_both_engines

pytestmark = [pytest.mark.anyio, on_both_engines]

WHEN = ms("2026-11-02T02:00:00.123")


def directory(snapshot: int, *, complete: bool = True, accounts: tuple[str, ...] = ("anna", "bert")) -> list[Any]:
    base: dict[str, Any] = {"site": "acme", "snapshot_id": snapshot}
    rows: list[Any] = [
        User(account_id=name, display_name=name.title(), account_type="atlassian", **base) for name in accounts
    ]
    rows += [License(product="jira-software", account_id=name, **base) for name in accounts]
    rows += [Role(account_id=accounts[0], role="member", scope="group", **base)]
    rows += [Seats(product="jira-software", total=10, used=len(accounts), **base)]
    if complete:
        counts: dict[str, Any] = {"users": len(accounts), "licenses": len(accounts), "roles": 1, "seats": 1}
        rows.append(SnapshotComplete(completed_at=snapshot + 1000, **counts, **base))
    return rows


def as_entries(rows: list[Any]) -> list[Entry]:
    return [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]


async def test_one_refused_row_is_found_among_many(warehouse: Warehouse) -> None:
    good = [
        (one, b'{"site":"site%d","timezone":"UTC"}' % one.offset) for one in entries([fact("history:1", WHEN)] * 37)
    ]
    (culprit,) = entries([fact("history:2", WHEN)])
    rows = [*good[:20], (culprit, b'{"site":"acme","timezone":7.5e}'), *good[20:]]
    poison = await insert_all(warehouse, "sites", rows)
    assert [bad.entry for bad in poison] == [culprit]
    assert await warehouse.query("SELECT count() AS n FROM sites WHERE timezone = 'UTC'") == [{"n": 37}]


async def test_a_snapshot_is_seen_whole_or_not_at_all(warehouse: Warehouse) -> None:
    writer = DirectoryWriter(warehouse)
    listing = "SELECT account_id, name, licenses, roles, status FROM user_usage_30d ORDER BY account_id"
    await writer.write(as_entries(directory(WHEN, complete=False)))
    assert await warehouse.query(listing) == []
    await writer.write(as_entries(directory(WHEN)))
    whole = await warehouse.query(listing)
    assert [(row["account_id"], row["name"], row["licenses"], row["status"]) for row in whole] == [
        ("anna", "Anna", ["jira-software"], "active"),
        ("bert", "Bert", ["jira-software"], "active"),
    ]
    assert whole[0]["roles"] == ["member (group)"]
    await writer.write(as_entries(directory(WHEN + 5, complete=False, accounts=("carl",))))
    assert await warehouse.query(listing) == whole
    await writer.write(as_entries(directory(WHEN + 5, accounts=("carl",))))
    assert [row["account_id"] for row in await warehouse.query(listing)] == ["carl"]


async def test_a_snapshot_written_twice_is_one(warehouse: Warehouse) -> None:
    for _ in range(2):
        await DirectoryWriter(warehouse).write(as_entries(directory(WHEN)))
    found = await warehouse.query("SELECT seats, assigned, active, idle FROM license_usage_30d")
    assert found == [{"seats": 10, "assigned": 2, "active": 0, "idle": 2}]
    (complete,) = await warehouse.query("SELECT snapshot_id, completed_at FROM directory_snapshots FINAL")
    assert complete["snapshot_id"] == datetime(2026, 11, 2, 2, 0, 0, 123000, tzinfo=UTC)


async def test_what_is_no_directory_record_is_poison(warehouse: Warehouse) -> None:
    bad = [Entry(b'{"kind":"planet"}', 0, 1, "here"), Entry(b"[]", 0, 2, "there")]
    poison = await DirectoryWriter(warehouse).write([*bad, *as_entries(directory(WHEN))])
    assert [one.entry for one in poison] == bad
