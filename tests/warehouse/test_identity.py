"""A fact is counted once, whatever was sent twice, late or out of order; the better row of a fact wins."""

import itertools
import random
from datetime import date
from typing import Any

import pytest

from rollcall.warehouse import Warehouse

from ..facts import fact, ms, write
from .engines import on_a_real_server_too

pytestmark = [pytest.mark.anyio, on_a_real_server_too]


async def rows(warehouse: Warehouse, columns: str) -> list[tuple[Any, ...]]:
    found = await warehouse.query(f"SELECT {columns} FROM activity FINAL ORDER BY event_key")
    return [tuple(row.values()) for row in found]


async def test_attributed_wins_over_unattributed_in_either_order(warehouse: Warehouse) -> None:
    for n, pair in enumerate(itertools.permutations(["webhook", "reconcile"])):
        for source in pair:
            who = "carl" if source == "reconcile" else ""
            await write(warehouse, fact(f"comment:{n}:deleted", "2026-11-02T10:00:00", account_id=who, source=source))
    assert await rows(warehouse, "event_key, account_id") == [
        ("comment:0:deleted", "carl"),
        ("comment:1:deleted", "carl"),
    ]


async def test_an_attributed_webhook_wins_over_an_unattributed_feed(warehouse: Warehouse) -> None:
    await write(warehouse, fact("worklog:7:deleted", "2026-11-02T10:00:00.000"))
    await write(warehouse, fact("worklog:7:deleted", "2026-11-02T10:00:00.004", account_id="", source="reconcile"))
    assert await rows(warehouse, "account_id") == [("anna",)]


async def test_the_time_of_rest_wins_over_the_webhooks(warehouse: Warehouse) -> None:
    rest = fact("history:1", "2026-11-02T10:00:00.003", source="reconcile")
    webhook = fact("history:1", "2026-11-02T10:00:00.000")
    await write(warehouse, rest)
    await write(warehouse, webhook)
    found = await warehouse.query("SELECT toUnixTimestamp64Milli(occurred_at) AS at FROM activity FINAL")
    assert found == [{"at": rest.occurred_at}]


async def test_which_sources_brought_a_fact_stays_known(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00", received_at=ms("2026-11-02T10:00:02")))
    await write(warehouse, fact("history:1", "2026-11-02T10:00:00", received_at=ms("2026-11-02T10:00:01")))
    await write(
        warehouse,
        fact("history:1", "2026-11-02T10:00:00.003", source="reconcile", received_at=ms("2026-11-03T02:00:00")),
    )
    found = await warehouse.query(
        "SELECT min(webhook_received_at) AS w, min(reconcile_received_at) AS r, max(rest_occurred_at) AS o "
        "FROM activity_sources GROUP BY site, event_key"
    )
    assert [(f"{row['w']:%H:%M:%S}", f"{row['r']:%H:%M:%S}", row["o"].microsecond) for row in found] == [
        ("10:00:01", "02:00:00", 3000)
    ]


async def test_the_same_key_at_two_sites_is_two_facts(warehouse: Warehouse) -> None:
    await write(
        warehouse, fact("history:1", "2026-11-02T10:00:00"), fact("history:1", "2026-11-02T10:00:00", site="other")
    )
    assert len(await rows(warehouse, "site")) == 2


async def test_days_are_those_of_the_sites_zone(warehouse: Warehouse) -> None:
    moment = "2026-11-02T16:30:00"
    late = "2026-11-02T23:30:00"
    await write(warehouse, fact("history:1", moment), fact("history:2", late))
    await write(warehouse, fact("history:1", moment, site="other"), fact("history:2", late, site="other"))
    found = await warehouse.query("SELECT site, day FROM user_days ORDER BY site, day")
    assert [(row["site"], row["day"]) for row in found] == [
        ("acme", date(2026, 11, 2)),
        ("acme", date(2026, 11, 3)),
        ("other", date(2026, 11, 3)),
    ]


async def test_a_user_day_holds_first_last_and_families(warehouse: Warehouse) -> None:
    await write(
        warehouse, fact("worklog:1:created", "2026-11-02T10:00:00"), fact("comment:1:created", "2026-11-02T08:00:00")
    )
    await write(warehouse, fact("worklog:2:created", "2026-11-02T12:00:00", account_type=""))
    (row,) = await warehouse.query("SELECT * FROM user_days")
    assert (row["account_id"], row["account_type"]) == ("anna", "atlassian")
    assert (f"{row['first_at']:%H:%M}", f"{row['last_at']:%H:%M}") == ("08:00", "12:00")
    assert (row["comment"], row["history"], row["worklog"]) == (True, False, True)


async def test_nobody_has_no_user_day(warehouse: Warehouse) -> None:
    await write(warehouse, fact("comment:1:deleted", "2026-11-02T10:00:00", account_id=""))
    assert await warehouse.query("SELECT * FROM user_days") == []


async def test_any_replay_rebatching_and_order_gives_the_same(warehouse: Warehouse) -> None:
    chance = random.Random(3)
    start = ms("2026-10-20T00:00:00")
    truth = {
        f"{family}:{n}:created": (f"account{chance.randrange(20)}", start + chance.randrange(20 * 86_400_000))
        for n in range(1500)
        for family in ("comment", "worklog")
    }
    sent = [fact(key, at, account_id=who) for key, (who, at) in truth.items()]
    sent += chance.sample(sent, len(sent) // 5)
    chance.shuffle(sent)
    cut = 0
    while cut < len(sent):
        size = chance.randrange(1, 900)
        batch = sent[cut : cut + size]
        await write(warehouse, *batch)
        if chance.random() < 0.3:
            await write(warehouse, *batch)
        cut += size
    found = await warehouse.query(
        "SELECT event_key, account_id, toUnixTimestamp64Milli(occurred_at) AS at FROM activity FINAL"
    )
    assert len(found) == len(truth)
    assert {row["event_key"]: (row["account_id"], row["at"]) for row in found} == truth
    days = await warehouse.query("SELECT account_id, toString(day) AS day FROM user_days")
    expected = await warehouse.query(
        "SELECT DISTINCT account_id, toString(toDate(occurred_at, 'Europe/Berlin')) AS day FROM activity"
    )
    assert sorted(map(str, days)) == sorted(map(str, expected))
