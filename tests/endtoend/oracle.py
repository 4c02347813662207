"""What the warehouse must hold, worked out from the numbers of the webhooks alone."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rollcall.warehouse import open_warehouse

from .webhooks import Told, webhook

_BITS = {"comment": 1, "worklog": 4}


async def assert_stored(
    warehouse_url: str, accepted: set[int], sent: set[int], timezone: str = "Europe/Berlin"
) -> None:
    """Every accepted fact is there, nothing that was never sent, and rollup and counts are those of the facts there.

    The rollup is compared with first and last act and families of every person and day, so that one fact that it
    missed is noticed; the counts, so that one that is counted twice is.
    """
    warehouse = await open_warehouse(warehouse_url, "a test")
    try:
        facts = await warehouse.query(
            "SELECT event_key, account_id, family, toUnixTimestamp64Milli(occurred_at) AS at FROM activity FINAL"
        )
        days = await warehouse.query(
            "SELECT account_id, toString(day) AS day, families, toUnixTimestamp64Milli(first_at) AS first, "
            "toUnixTimestamp64Milli(last_at) AS last FROM user_days"
        )
        usage = await warehouse.query(
            "SELECT account_id, active_days, comments, changes, worklogs FROM user_usage(days = 10000)"
        )
    finally:
        await warehouse.close()
    numbers = {int(row["event_key"].split(":")[1]) for row in facts}
    lost = accepted - numbers
    assert not lost, f"{len(lost)} of {len(accepted)} accepted facts are lost, such as {sorted(lost)[:3]}"
    assert numbers <= sent
    told = [webhook(number) for number in numbers]
    assert in_order(facts) == in_order(
        {"event_key": one.event_key, "account_id": one.account_id, "family": one.family, "at": one.at} for one in told
    )
    expected_days = user_days(told, ZoneInfo(timezone))
    assert in_order(days) == in_order(expected_days)
    assert in_order(usage) == in_order(user_usage(told, expected_days))


def user_days(told: Iterable[Told], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Work out who was active on which day, from when to when, and with what."""
    acts: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for one in told:
        day = datetime.fromtimestamp(one.at / 1000, UTC).astimezone(zone).date().isoformat()
        acts[one.account_id, day].append(one)
    return [
        {
            "account_id": account_id,
            "day": day,
            "families": sum({_BITS[one.family] for one in some}),
            "first": min(one.at for one in some),
            "last": max(one.at for one in some),
        }
        for (account_id, day), some in acts.items()
    ]


def user_usage(told: Iterable[Told], days: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count everybody's facts and days."""
    counted: dict[str, dict[str, Any]] = {}
    for one in told:
        nobody = {"account_id": one.account_id, "active_days": 0, "comments": 0, "changes": 0, "worklogs": 0}
        counted.setdefault(one.account_id, nobody)[f"{one.family}s"] += 1
    for day in days:
        counted[day["account_id"]]["active_days"] += 1
    return list(counted.values())


def in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows of the same columns, so that a row that is there twice is seen."""
    return sorted(({name: row[name] for name in sorted(row)} for row in rows), key=lambda row: tuple(row.values()))
