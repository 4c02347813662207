"""Each part of the directory is of the newest snapshot that has it; what one run could not read stays."""

import random
from typing import Any

import pytest

from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import Directory, License, Role, Seats, SnapshotComplete, User, encode
from rollcall.warehouse import Warehouse

from ..facts import Refreshing, ms
from .engines import on_a_real_server_too

pytestmark = [pytest.mark.anyio, on_a_real_server_too]

WHEN = ms("2026-11-02T02:00:00.123")
SOFTWARE, CORE = "jira-software", "jira-core"
PRODUCT, PROJECT, OTHER = ("jira-software user", "product access"), ("Developers", "ACME"), ("Developers", "OPS")


def snapshot(
    number: int, *accounts: str, lacks: tuple[str, ...] = (), products: tuple[str, ...] = ()
) -> list[Directory]:
    """All of these are listed and hold everything."""
    base: dict[str, Any] = {"site": "acme", "snapshot_id": WHEN + number}
    held = products or (SOFTWARE, CORE)
    rows: list[Directory] = [User(account_id=one, account_type="atlassian", **base) for one in accounts]
    rows += [License(product=product, account_id=one, **base) for product in held for one in accounts]
    rows += [Seats(product=product, total=10 * number, used=len(accounts), **base) for product in held]
    rows += [
        Role(account_id=one, role=role, scope=to, **base) for role, to in (PRODUCT, PROJECT, OTHER) for one in accounts
    ]
    counts: dict[str, Any] = {"users": 1, "licenses": 1, "roles": 1, "seats": 1}
    return [*rows, SnapshotComplete(completed_at=WHEN + number, lacks=list(lacks), **counts, **base)]


async def write(warehouse: Warehouse, *rows: Directory) -> None:
    made = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]
    assert await Refreshing(warehouse, DirectoryWriter).write(made) == []


async def standing(warehouse: Warehouse) -> dict[str, list[str]]:
    """Who is listed, holds each product and has each role, as the reports say."""
    found: dict[str, list[str]] = {}
    for row in await warehouse.query("SELECT account_id, status, licenses, roles FROM user_usage_30d"):
        for what in [row["status"], *row["licenses"], *row["roles"]]:
            found.setdefault(what, []).append(row["account_id"])
    return {what: sorted(who) for what, who in found.items()}


def everything(*accounts: str, **other: tuple[str, ...]) -> dict[str, list[str]]:
    names = {"users": "active", "software": SOFTWARE, "core": CORE}
    names |= {"product": "jira-software user (product access)", "acme": "Developers (ACME)", "ops": "Developers (OPS)"}
    return {told: sorted(other.get(name, accounts)) for name, told in names.items() if other.get(name, accounts)}


OLD = ("anna", "bert")


@pytest.mark.parametrize(
    ("lacks", "stays"),
    [
        ((), {}),
        (("licenses:jira-software",), {"software": OLD}),
        (("licenses",), {"software": OLD, "core": OLD}),
        (("roles:product access",), {"product": OLD}),
        (("roles",), {"product": OLD}),
        (("projects:ACME",), {"acme": OLD}),
        (("projects",), {"acme": OLD, "ops": OLD}),
        (("projects", "projects:ACME", "licenses:jira-core"), {"acme": OLD, "ops": OLD, "core": OLD}),
    ],
    ids=str,
)
async def test_a_part_that_is_lacking_stays_as_it_was(
    warehouse: Warehouse, lacks: tuple[str, ...], stays: dict[str, tuple[str, ...]]
) -> None:
    await write(warehouse, *snapshot(1, *OLD))
    await write(warehouse, *snapshot(2, "anna", "bert", "carl", lacks=lacks))
    assert await standing(warehouse) == everything("anna", "bert", "carl", **stays)
    seats = {
        row["product"]: row["seats"] for row in await warehouse.query("SELECT product, seats FROM license_usage_30d")
    }
    assert seats == {SOFTWARE: 10 if "software" in stays else 20, CORE: 10 if "core" in stays else 20}


async def test_users_that_could_not_be_read_are_not_gone(warehouse: Warehouse) -> None:
    await write(warehouse, *snapshot(1, *OLD), *snapshot(2, "anna", lacks=("users",)))
    gone = {"software": ("anna",), "core": ("anna",), "product": ("anna",), "acme": ("anna",), "ops": ("anna",)}
    assert await standing(warehouse) == everything(*OLD, **gone)


async def test_a_part_may_be_of_a_snapshot_long_ago_and_is_read_again_later(warehouse: Warehouse) -> None:
    await write(warehouse, *snapshot(1, *OLD))
    await write(warehouse, *snapshot(2, "anna", lacks=("licenses",)))
    await write(warehouse, *snapshot(3, "bert", "carl", lacks=("licenses:jira-core",)))
    assert await standing(warehouse) == everything("bert", "carl", core=("bert",))
    parts = await warehouse.query("SELECT part, toUnixTimestamp64Milli(snapshot_id) AS at FROM current_parts")
    assert {row["part"]: row["at"] - WHEN for row in parts} == {
        "users": 3, "licenses": 3, "roles": 3, "projects": 3, "licenses:jira-core": 1
    }  # fmt: skip
    await write(warehouse, *snapshot(4, "dora"))
    assert await standing(warehouse) == everything("dora")


async def test_what_no_snapshot_ever_had_is_not_there(warehouse: Warehouse) -> None:
    await write(warehouse, *snapshot(1, "anna", lacks=("licenses", "projects", "users")))
    assert await standing(warehouse) == {}
    assert await warehouse.query("SELECT product FROM license_usage_30d") == []
    assert await warehouse.query("SELECT status FROM accounts WHERE status = 'gone'") == []


async def test_a_role_that_no_snapshot_has_whole_is_as_the_newest_has_it(warehouse: Warehouse) -> None:
    for number in (1, 2):
        await write(warehouse, *snapshot(number, *OLD[:number], lacks=("roles:product access",)))
    assert await standing(warehouse) == everything(*OLD)


async def test_a_product_that_is_gone_is_gone_and_lateness_changes_nothing(warehouse: Warehouse) -> None:
    second = snapshot(2, "anna", products=(CORE,), lacks=("projects:OPS",))
    await write(warehouse, *second)
    await write(warehouse, *snapshot(1, *OLD))
    for _ in range(2):
        assert await standing(warehouse) == everything("anna", software=())
        await write(warehouse, *second, *snapshot(1, *OLD))


KINDS = ("users", "licenses", "roles", "projects")
PARTS = (*KINDS, "licenses:a", "licenses:b", "roles:site admin", "roles:group", "projects:ACME", "projects:OPS")


def current(snapshots: dict[int, list[str]]) -> dict[str, int]:
    """Of which snapshot each part is, by the rule as docs/warehouse.md has it; snapshots by id, with what they lack."""
    found: dict[str, int] = {}
    for kind in KINDS:
        if having := [one for one, lacks in snapshots.items() if kind not in lacks]:
            found[kind] = max(having)
            for part in snapshots[max(having)]:
                if part.startswith(f"{kind}:"):
                    whole = [one for one in having if part not in snapshots[one]]
                    found[part] = max(whole, default=max(having))
    return found


async def test_whatever_snapshots_lack_each_part_is_of_the_newest_that_has_it(warehouse: Warehouse) -> None:
    chance = random.Random(7)
    sites = {
        f"site{n}": {
            number: chance.sample(PARTS, chance.randint(0, 6))
            for number in chance.sample(range(9), chance.randint(1, 6))
        }
        for n in range(200)
    }
    values = [
        f"('{site}', fromUnixTimestamp64Milli(toInt64({WHEN + number})), {lacks})"
        for site, snapshots in sites.items()
        for number, lacks in snapshots.items()
    ]
    await warehouse.command(f"INSERT INTO directory_snapshots (site, snapshot_id, lacks) VALUES {', '.join(values)}")
    found: dict[str, dict[str, int]] = {site: {} for site in sites}
    for row in await warehouse.query("SELECT site, part, toUnixTimestamp64Milli(snapshot_id) AS at FROM current_parts"):
        assert row["part"] not in found[row["site"]]
        found[row["site"]][row["part"]] = row["at"] - WHEN
    assert found == {site: current(snapshots) for site, snapshots in sites.items()}
