"""Acts by project: no replay, batch or order of facts changes them, and a rebuild mends what states cannot forget."""

import random
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from rollcall.records import Activity
from rollcall.warehouse import Warehouse, days_with_facts, migrate, rebuild_days

from ..facts import fact, write
from ..warehouse.engines import clickhouse, on_a_real_server_too, warehouse, warehouse_url

pytestmark = pytest.mark.anyio
__all__ = ["clickhouse", "warehouse", "warehouse_url"]

BERLIN = "Europe/Berlin"


async def states(warehouse: Warehouse) -> list[dict[str, Any]]:
    return await warehouse.query(
        "SELECT toString(day) AS on, account_id, toString(project_key) AS project, issue_id, max(last_at) AS at "
        "FROM project_day_states WHERE site = 'acme' GROUP BY day, account_id, project_key, issue_id "
        "ORDER BY on, account_id, project, issue_id"
    )


async def from_raw_facts(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The same from the facts themselves, each chosen by the rules of `activity`."""
    return await warehouse.query(
        "SELECT toString(toDate(occurred_at, 'Europe/Berlin')) AS on, account_id, "
        "toString(activity.project_key) AS project, if(project = '', activity.issue_id, 0) AS issue_id, "
        "max(occurred_at) AS at FROM activity FINAL "
        "WHERE site = 'acme' AND account_id != '' GROUP BY on, account_id, project, issue_id "
        "ORDER BY on, account_id, project, issue_id"
    )


async def words(warehouse: Warehouse) -> dict[int, str]:
    rows = await warehouse.query(
        "SELECT issue_id, tupleElement(max(issue_projects.word), 3) AS project FROM issue_projects GROUP BY issue_id"
    )
    return {row["issue_id"]: row["project"] for row in rows}


def some_facts(draw: random.Random) -> list[Activity]:
    found = []
    for number in range(60):
        at = f"2026-{draw.choice((10, 11)):02}-{draw.randint(1, 28):02}T{draw.choice((12, 22, 23)):02}:30:00"
        issue = draw.randint(1, 9)
        key = draw.choice(("", f"P{issue % 3}"))
        told: dict[str, Any] = {"account_id": draw.choice("ab"), "issue_id": issue, "project_key": key}
        found.append(fact(f"history:{number}", at, **told))
        if draw.random() < 0.5:  # REST knows it too, another second of the same day
            rest = at.replace(":30:00", ":30:01")
            moved = {**told, "project_key": f"P{(issue + 1) % 3}"}
            found.append(
                fact(f"history:{number}", rest, source="reconcile", received_at=found[-1].received_at + 9, **moved)
            )
    return found


async def in_batches(warehouse: Warehouse, facts: Sequence[Activity], draw: random.Random) -> None:
    left = [*facts, *draw.sample(list(facts), len(facts) // 2)]
    draw.shuffle(left)
    while left:
        size = draw.randint(1, 20)
        await write(warehouse, *left[:size])
        left = left[size:]


@on_a_real_server_too
@pytest.mark.parametrize("seed", range(2))
async def test_no_replay_or_order_changes_them_and_a_rebuild_mends_them(warehouse: Warehouse, seed: int) -> None:
    draw = random.Random(seed)
    facts = some_facts(draw)
    await write(warehouse, *facts)
    once, projects = await states(warehouse), await words(warehouse)
    await in_batches(warehouse, facts, draw)
    assert await states(warehouse) == once
    assert await words(warehouse) == projects
    # Where REST names another project or second, the webhook's state stays until the days are rebuilt.
    raw = await from_raw_facts(warehouse)
    assert once != raw
    await rebuild_days(warehouse, "acme", BERLIN, await days_with_facts(warehouse, "acme"))
    assert await states(warehouse) == raw
    rest = {one.issue_id: one.project_key for one in facts if one.source == "reconcile"}
    assert {issue: (await words(warehouse))[issue] for issue in rest} == rest


async def test_a_rebuild_knows_projects_of_facts_that_an_import_brought(warehouse: Warehouse) -> None:
    await write(warehouse, fact("history:1", "2026-11-10T12:00:00", issue_id=7, project_key="P1"))
    for table in ("project_day_states", "issue_projects"):
        await warehouse.command(f"TRUNCATE TABLE {table}")
    await rebuild_days(warehouse, "acme", BERLIN, [date(2026, 11, 10)])
    assert await words(warehouse) == {7: "P1"}
    assert await states(warehouse) == await from_raw_facts(warehouse)


async def test_a_warehouse_of_before_is_filled_by_the_migration(warehouse: Warehouse) -> None:
    """Cut short and begun again, too: what is written twice changes nothing."""
    facts = [
        fact("history:1", "2026-11-10T23:30:00", issue_id=7, project_key="P1"),
        fact("worklog:1:created", "2026-11-11T12:00:00", issue_id=7),
        fact("history:2", "2019-01-01T12:00:00", project_key="P2"),
    ]
    await write(warehouse, *facts)
    wanted = await states(warehouse)
    for turn in range(2):
        if not turn:
            for table in ("project_day_states", "issue_projects"):
                await warehouse.command(f"TRUNCATE TABLE {table}")
        await warehouse.command("DELETE FROM schema_migrations WHERE version = 4 SETTINGS mutations_sync = 2")
        await migrate(warehouse)
        assert await states(warehouse) == wanted
        assert await words(warehouse) == {7: "P1"}
