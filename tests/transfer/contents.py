"""A warehouse full of odd things, and everything that can be read in one."""

import random
from typing import Any

from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import Activity, Directory, License, Role, Seats, SnapshotComplete, User, encode
from rollcall.warehouse import Warehouse, days_with_facts, rebuild_days
from rollcall.warehouse.expected_schema import expected_shapes

from ..facts import SITES, Refreshing, fact, ms, write

ODD = [
    "",
    "NULL",
    "\\N",
    "'",
    '"',
    "\\",
    "a\tb\nc",
    "ü",
    "☃",
    "日本",
    "\U0001f600",
    "{x:String}",
    "' OR 1 --",
    "%",
    "a" * 200,
]
"""Texts that are easily taken for something else on the way."""
COMPUTED = {"headcount_rollup", "account_rollup", "license_rollup", "coverage_rollup", "touched_days"}
"""Tables that say when facts came or rows were computed, and reach as far ahead as from then; views show what else they
hold."""
OF_ITS_OWN = {"schema_migrations", "sites", "warehouse_identity", "log_positions", *COMPUTED}
"""Tables that are not moved."""
WITH_DAYS = {"user_usage", "license_usage", "idle_licenses_over"}


def some_facts(seed: int, count: int) -> list[Activity]:
    chance = random.Random(seed)
    start = ms("2026-10-25T00:00:00")
    made = []
    for n in range(count):
        family = chance.choice(["comment", "worklog", "history"])
        at = start + chance.randrange(20 * 86_400_000)
        one = fact(
            f"{family}:{n}{chance.choice(ODD)}:created",
            at,
            site=chance.choice([*SITES, "left"]),
            account_id=chance.choice(["", "anna", "ben", chance.choice(ODD)[:100]]),
            account_type=chance.choice(["atlassian", "atlassian", "app", ""]),
            fields=chance.sample(ODD, chance.randrange(4)),
            issue_id=chance.choice([0, 1, 2**63 - 1]),
            issue_key=chance.choice(ODD),
            project_key=chance.choice(ODD),
            source=chance.choice(["webhook", "reconcile"]),
        )
        made.append(one)
        if chance.random() < 0.4:
            other = "webhook" if one.source == "reconcile" else "reconcile"
            again = {name: getattr(one, name) for name in one.__struct_fields__}
            made.append(Activity(**{**again, "source": other, "occurred_at": at + chance.randrange(5)}))
    chance.shuffle(made)
    return made


def some_directory(seed: int) -> list[Directory]:
    chance = random.Random(seed)
    made: list[Directory] = []
    for site in ("acme", "other"):
        for day in (1, 2):
            base: dict[str, Any] = {"site": site, "snapshot_id": ms(f"2026-11-0{day}T03:00:00.007")}
            people = ["anna", "ben", *filter(None, ODD)]
            made += [
                User(
                    **base,
                    account_id=who[:100],
                    display_name=chance.choice(ODD),
                    email=chance.choice([None, "", "who@acme.example"]),
                    account_type="atlassian",
                    active=chance.random() < 0.5,
                )
                for who in people
            ]
            made += [License(**base, product=chance.choice(["jira", "ü"]), account_id=who[:100]) for who in people]
            made += [Role(**base, account_id=who[:100], role=chance.choice(ODD), scope="PROJ") for who in people]
            made += [Seats(**base, product="jira", total=None, used=7), Seats(**base, product="ü", total=2**63 - 1)]
            counts: dict[str, Any] = {"users": len(people), "licenses": len(people), "roles": len(people), "seats": 2}
            made.append(SnapshotComplete(**base, completed_at=ms(f"2026-11-0{day}T03:10:00"), **counts))
    return made


async def fill(warehouse: Warehouse, seed: int, count: int = 70) -> None:
    """Write as consumers do, and rebuild the days as a reconcile does."""
    await write(warehouse, *some_facts(seed, count))
    entries = [Entry(encode(record), 0, n, f"directory@{n}") for n, record in enumerate(some_directory(seed))]
    assert await Refreshing(warehouse, DirectoryWriter).write(entries) == []
    zones = {name: site.timezone for name, site in SITES.items()} | {"left": "UTC"}
    for site, zone in zones.items():
        await rebuild_days(warehouse, site, zone, await days_with_facts(warehouse, site))


async def everything(warehouse: Warehouse) -> dict[str, set[str]]:
    """Every row of every table and view, by name."""
    found = {}
    for name, shape in expected_shapes().items():
        if name in OF_ITS_OWN or shape.engine in ("Null", "MaterializedView"):
            continue
        source = f"{name}(days = 30)" if name in WITH_DAYS else name
        final = "" if shape.is_view else "FINAL"
        computed = ", version" if name == "activity" else ""
        columns = "* REPLACE (arraySort(facts) AS facts)" if name == "account_month_states" else "*"
        rows = await warehouse.query(f"SELECT {columns}{computed} FROM {source} {final}")
        found[name] = {repr(sorted(row.items())) for row in rows}
        assert len(found[name]) == len(rows), name
    return found
