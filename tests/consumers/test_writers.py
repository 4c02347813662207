"""What the writers make of records, and of rows that the engine refuses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.writers import DirectoryWriter, insert_all
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import Entry
from rollcall.records import License, Role, Seats, SnapshotComplete, User, encode
from rollcall.warehouse import Warehouse

from ..facts import Refreshing, entries, fact, ms, write
from ..failures import FailingWarehouse, Failures
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
    writer = Refreshing(warehouse, DirectoryWriter)
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


async def test_a_writer_that_dies_anywhere_leaves_the_snapshot_before(warehouse: Warehouse) -> None:
    """The last of its five inserts is what lets readers see the snapshot."""
    listing = "SELECT account_id, name, licenses, roles, status FROM user_usage_30d ORDER BY account_id"
    seats = "SELECT seats, assigned FROM license_usage_30d"
    await Refreshing(warehouse, DirectoryWriter).write(as_entries(directory(WHEN)))
    before = await warehouse.query(listing), await warehouse.query(seats)
    complete = "SELECT count() AS snapshots FROM directory_snapshots"
    for first in range(1, 6):
        following = as_entries(directory(WHEN + first, accounts=("carl", "dora", "emil")))
        with pytest.raises(WarehouseUnavailableError):
            await Refreshing(FailingWarehouse(warehouse, Failures(first)), DirectoryWriter).write(following)
        assert (await warehouse.query(listing), await warehouse.query(seats)) == before
        assert await warehouse.query(complete) == [{"snapshots": 1}]
    await Refreshing(warehouse, DirectoryWriter).write(following)
    assert [row["account_id"] for row in await warehouse.query(listing)] == ["carl", "dora", "emil"]
    assert await warehouse.query(seats) == [{"seats": 10, "assigned": 3}]


async def test_an_act_counts_for_its_sites_day(warehouse: Warehouse) -> None:
    """Half past midnight in Berlin (acme) and in Tokyo (other); a site that the settings lack is reported in UTC."""
    moments = {"B": "2026-11-02T23:30:00", "T": "2026-11-02T15:30:00"}
    sites = ("acme", "other", "gone")
    await write(
        warehouse,
        *(
            fact(f"history:{n}", moments[who], site=site, account_id=who)
            for n, who in enumerate("BT")
            for site in sites
        ),
    )
    found = await warehouse.query("SELECT site, account_id, toString(day) AS day FROM user_days")
    assert {(row["site"], row["account_id"]): row["day"] for row in found} == {
        ("acme", "B"): "2026-11-03",
        ("acme", "T"): "2026-11-02",
        ("other", "B"): "2026-11-03",
        ("other", "T"): "2026-11-03",
        ("gone", "B"): "2026-11-02",
        ("gone", "T"): "2026-11-02",
    }


async def test_a_snapshot_written_twice_is_one(warehouse: Warehouse) -> None:
    for _ in range(2):
        await Refreshing(warehouse, DirectoryWriter).write(as_entries(directory(WHEN)))
    found = await warehouse.query("SELECT seats, assigned, active, idle FROM license_usage_30d")
    assert found == [{"seats": 10, "assigned": 2, "active": 0, "idle": 2}]
    (complete,) = await warehouse.query("SELECT snapshot_id, completed_at FROM directory_snapshots FINAL")
    assert complete["snapshot_id"] == datetime(2026, 11, 2, 2, 0, 0, 123000, tzinfo=UTC)


async def test_what_is_no_directory_record_is_poison(warehouse: Warehouse) -> None:
    bad = [Entry(b'{"kind":"planet"}', 0, 1, "here"), Entry(b"[]", 0, 2, "there")]
    poison = await Refreshing(warehouse, DirectoryWriter).write([*bad, *as_entries(directory(WHEN))])
    assert [one.entry for one in poison] == bad
