"""``rollcall report robots``: who behaves like a program, and who only works much, at night, in shifts or in bulk."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import ASGITransport, AsyncClient, codes
from msgspec.structs import replace

from console.sqldoor.door import create_door
from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import Activity, Directory, User, encode
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.engines import Embedded
from rollcall.warehouse.robots import _ROBOTS, ROBOTS, read_robots

from ..console.conftest import Shell, shell
from ..facts import Refreshing, fact, fresh_warehouse, write
from ..warehouse.engines import warehouse, warehouse_url
from .warehouse import DESK, SOFTWARE, Snapshot, set_now

__all__ = ["shell", "warehouse", "warehouse_url"]

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 11, tzinfo=UTC)
"""Noon in Berlin."""
KINDS: tuple[dict[str, Any], ...] = (
    {"family": "history", "fields": ["status"]},
    {"family": "comment"},
    {"family": "history", "fields": ["assignee", "priority"]},
    {"family": "worklog", "action": "updated"},
    {"family": "history"},
)
STATUS = KINDS[:1]
_numbers = count(1)

Minutes = Iterable[float]
"""Moments as minutes before noon of the 27th."""


def day(ago: int, hour: float) -> float:
    """An hour of a day so many days before the 27th in Berlin, as minutes before its noon."""
    return ago * 1440 + (12 - hour) * 60


def every(minutes: float, days: int = 30) -> list[float]:
    """Moments evenly apart, through all of the last days but this morning's first hours."""
    return [n * minutes for n in range(int(days * 1440 / minutes) - 1)]


def hours(days: Iterable[int], first: float, last: float, apart: float = 1.0) -> list[float]:
    """Moments within hours of some days; an hour above 24 is the next day's."""
    steps = int((last - first) / apart) + 1
    return [day(ago, first + n * apart) for ago in days for n in range(steps)]


def burst(days: Iterable[int], size: int, hour: float = 10) -> list[float]:
    """So many acts within a minute of each of some days."""
    return [day(ago, hour) - n * 55 / 60 / size for ago in days for n in range(size)]


def off(nights: Sequence[int]) -> list[float]:
    """Moments four hours apart, but none from noon to noon of some days."""
    return [one for one in every(240) if one // 1440 not in nights]


def facts(who: str, moments: Minutes, kinds: Iterable[dict[str, Any]] = STATUS, **changes: Any) -> Iterator[Activity]:
    kinds = list(kinds)
    for place, minutes in enumerate(moments):
        at = round((NOW - timedelta(minutes=minutes)).timestamp() * 1000)
        yield fact(f"history:{next(_numbers)}", at, account_id=who, **{**kinds[place % len(kinds)], **changes})


def mostly(share: float, size: int) -> list[dict[str, Any]]:
    """Kinds of `size` acts, such a share of them changes of the status."""
    rest = size - round(share * size)
    return [*(KINDS[1 + n % 4] for n in range(rest)), *STATUS * (size - rest)]


CLOCK, BURSTS, KIND = "round the clock", "in bursts", "of one kind"
WEEKDAYS = [ago for ago in range(30) if (NOW - timedelta(days=ago)).weekday() < 5]
NIGHTS = range(1, 29)

CASES: dict[str, tuple[set[str], list[Activity]]] = {
    # Two signs, or three.
    "sync": ({CLOCK, KIND}, list(facts("sync", every(240)))),
    "importer": ({BURSTS, KIND}, list(facts("importer", burst(NIGHTS, 20, 2)))),
    "both": ({CLOCK, BURSTS}, list(facts("both", [*every(240), *burst(NIGHTS, 25)], KINDS))),
    "all": ({CLOCK, BURSTS, KIND}, list(facts("all", [*every(240), *burst(NIGHTS, 25)]))),
    "commenter": ({CLOCK, KIND}, list(facts("commenter", every(60), [{"family": "comment"}]))),
    "creator": ({CLOCK, KIND}, list(facts("creator", every(240), KINDS[4:]))),
    # One sign alone.
    "restless": (set(), list(facts("restless", every(240), KINDS))),
    "bursting": (set(), list(facts("bursting", burst(WEEKDAYS, 40), KINDS))),
    "timekeeper": (set(), list(facts("timekeeper", hours(WEEKDAYS, 9, 17), [{"family": "worklog"}]))),
    # People, all of one kind, which is one sign.
    "shifts": (
        set(),
        list(
            facts(
                "shifts",
                [
                    *hours(range(1, 10), 22, 30, 0.5),
                    *hours(range(11, 20), 14, 22, 0.5),
                    *hours(range(20, 29), 6, 14, 0.5),
                ],
            )
        ),
    ),
    "every other night": (set(), list(facts("every other night", hours(range(1, 30, 2), 20, 28, 0.5)))),
    "on call": (set(), list(facts("on call", hours(range(1, 30, 3), 8, 32, 0.5)))),
    "owl": (set(), list(facts("owl", hours(NIGHTS, 20, 28, 0.5)))),
    "bulk": (set(), list(facts("bulk", [*hours(WEEKDAYS, 9, 17), *burst([3], 1000)]))),
    "monthly": (set(), list(facts("monthly", [*hours(range(1, 9), 9, 17), *burst([1, 2, 3, 4], 60)]))),
    "migration": (set(), list(facts("migration", [*every(60, 8), *burst(range(8), 100)]))),
    # Just on this and on that side of each line.
    "299 minutes": ({CLOCK, KIND}, list(facts("299 minutes", every(299)))),
    "300 minutes": (set(), list(facts("300 minutes", every(300)))),
    "7 nights off": ({CLOCK, KIND}, list(facts("7 nights off", off(range(2, 16, 2))))),
    "8 nights off": (set(), list(facts("8 nights off", off(range(2, 18, 2))))),
    "20 a minute": ({BURSTS, KIND}, list(facts("20 a minute", burst(range(10), 20)))),
    "19 a minute": (set(), list(facts("19 a minute", burst(range(10), 19)))),
    "5 of 10 days": ({BURSTS, KIND}, list(facts("5 of 10 days", [*burst(range(5), 20), *hours(range(5, 10), 9, 9)]))),
    "5 of 11 days": (set(), list(facts("5 of 11 days", [*burst(range(5), 20), *hours(range(5, 11), 9, 9)]))),
    "95 percent": ({CLOCK, KIND}, list(facts("95 percent", every(120)[:340], mostly(0.95, 340)))),
    "94 percent": (set(), list(facts("94 percent", every(120)[:340], mostly(0.94, 340)))),
    "100 acts": ({CLOCK, KIND}, list(facts("100 acts", every(140)[:100]))),
    "99 acts": (set(), list(facts("99 acts", every(140)[:99]))),
    # Who is no person with a seat, and what is outside of the days.
    "guest": (set(), list(facts("guest", every(240)))),
    "left": (set(), list(facts("left", every(240)))),
    "app": (set(), list(facts("app", every(240), account_type="app"))),
    "before": (set(), list(facts("before", [one + 30 * 1440 for one in every(240)]))),
}


HOLD: dict[str, tuple[str, ...]] = {"sync": (SOFTWARE, DESK), "guest": ()}


def seats_of(names: Iterable[str]) -> list[Directory]:
    made = Snapshot("2026-11-27T02:00:00", {name: HOLD.get(name, (SOFTWARE,)) for name in names})
    changed: dict[str, dict[str, Any]] = {"left": {"active": False}, "app": {"account_type": "app"}}
    made.rows = [
        replace(row, **changed[row.account_id]) if isinstance(row, User) and row.account_id in changed else row
        for row in made.rows
    ]
    return made.complete()


async def put(warehouse: Warehouse, acts: Iterable[Activity], rows: Iterable[Directory]) -> None:
    made = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]
    assert await Refreshing(warehouse, DirectoryWriter).write(made) == []
    assert await write(warehouse, *acts) == []


def signs(row: Row) -> set[str]:
    return {sign for sign in (CLOCK, BURSTS, KIND) if sign in row["why"]}


async def through_the_door(folder: Path) -> list[str]:
    """Whom the page and the command find while `up` holds the files: its door admits only what it knows."""
    door = create_door(Embedded(folder / "warehouse"), listen="127.0.0.1:8123", unprotected=True)
    given = {"param_site": "acme", "param_days": "30", "param_product": "", "default_format": "JSONEachRow"}
    async with (
        door.router.lifespan_context(door),
        AsyncClient(transport=ASGITransport(door), base_url="http://127.0.0.1:8123") as client,
    ):
        answer = await client.post("/", params=given, content=_ROBOTS)
    assert answer.status_code == codes.OK, answer.text
    return [json.loads(line)["account_id"] for line in answer.text.splitlines()]


@pytest.mark.anyio
async def test_two_signs_at_least_make_a_program(warehouse: Warehouse, tmp_path: Path) -> None:
    await set_now(warehouse, "2026-11-27 11:00:00")
    acts = [one for _, some in CASES.values() for one in some]
    await put(warehouse, acts, seats_of(CASES))
    rows = await read_robots(warehouse, ["acme", "other"])
    assert {row["account_id"]: signs(row) for row in rows} == {who: told for who, (told, _) in CASES.items() if told}
    assert [row["acts"] for row in rows] == sorted((row["acts"] for row in rows), reverse=True)
    found = {row["account_id"]: row for row in rows}
    assert list(rows[0]) == list(ROBOTS)
    assert await through_the_door(tmp_path) == [row["account_id"] for row in rows]

    sync = dict(found["sync"])
    assert sync.pop("why") == (
        "round the clock: in 6 of 24 hours, and on three of four days never quiet for more than 4 h; "
        "of one kind, field status: 100 % of its acts"
    )
    assert sync == {
        "site": "acme",
        "account_id": "sync",
        "name": "Sync",
        "email": None,
        "products": [DESK, SOFTWARE],
        "acts": 178,
        "active_days": 30,
        "hours": 6,
        "quiet_hours": 4.0,
        "burst": 1,
        "burst_days": 0,
        "kind": "field status",
        "kind_share": 1.0,
    }
    assert found["commenter"]["hours"] == 24
    assert found["commenter"]["kind"] == "comment created"
    assert found["299 minutes"]["quiet_hours"] == 4.9, "never told as the line"
    assert "up to 25 acts within a minute, and on 28 of 30 days 20 or more" in found["both"]["why"]
    assert (found["95 percent"]["kind"], found["95 percent"]["kind_share"]) == ("field status", 0.95)
    assert found["creator"]["kind"] == "issue created"
    assert found["both"]["kind"] == "comment created", "of several as frequent the first by name"


@pytest.mark.anyio
async def test_days_and_hours_are_those_of_the_site_and_a_fact_counts_once(warehouse: Warehouse) -> None:
    """Ten days in Tokyo that are nine of the window in UTC; a night of 25 hours in Berlin; facts from both sources."""
    await set_now(warehouse, "2026-11-27 11:00:00")
    first = datetime(2026, 10, 28, 20, tzinfo=UTC)  # the 29th in Tokyo, the first of 30 days
    moments = [first + timedelta(days=3 * n, minutes=10 * k) for n in range(10) for k in range(24)]
    nightly = [(NOW - one) / timedelta(minutes=1) for one in moments]
    tokyo = [*facts("tokyo", [*nightly, *(one - k / 100 for one in nightly[::24] for k in range(19))], site="other")]
    berlin = list(facts("berlin", every(120, 40)))
    held = seats_of(["berlin"])
    await put(warehouse, [*tokyo, *berlin], [*held, *(replace(row, site="other") for row in seats_of(["tokyo"]))])
    again = [replace(one, source="reconcile", occurred_at=one.occurred_at + 7) for one in berlin]
    assert await write(warehouse, *again) == []
    [there] = await read_robots(warehouse, ["other"])
    assert (there["account_id"], there["active_days"], there["burst_days"], there["hours"]) == ("tokyo", 10, 10, 4)
    assert await read_robots(warehouse, ["other"], 29) == [], "of nine days nothing is concluded"
    for days in (30, 40):
        [here] = await read_robots(warehouse, ["acme"], days)
        assert (here["acts"], here["active_days"], here["quiet_hours"]) == (acts_within(days), days, 2.0)
        assert here["burst"] == 1
    assert here["hours"] == 24, "even hours of summer and odd ones of winter, or the other way round"


def acts_within(days: int) -> int:
    """Of moments two hours apart, those of so many days in Berlin, where the clock was set back on 2026-10-25."""
    here = NOW.astimezone(BERLIN)
    begin = (here - timedelta(days=days - 1)).replace(hour=0)
    return sum(NOW - timedelta(minutes=one) >= begin for one in every(120, 40))


def test_the_command_prints_them(shell: Shell) -> None:
    """On the real clock, as people have it."""
    shift = datetime.now(UTC) - NOW
    acts = [
        replace(one, occurred_at=one.occurred_at + round(shift.total_seconds() * 1000) - 60_000)
        for name in ("sync", "restless")
        for one in CASES[name][1]
    ]

    async def main() -> None:
        async with fresh_warehouse(shell.folder) as found:
            await put(found, acts, seats_of(["sync", "restless"]))

    asyncio.run(main())
    [row] = json.loads(shell.run("report", "robots", "--format", "json").stdout)
    assert list(row) == list(ROBOTS)
    assert (row["account_id"], row["products"], row["kind"]) == ("sync", [DESK, SOFTWARE], "field status")
    none = shell.run("report", "robots", "--product", "jira-core")
    assert (none.exit_code, none.stdout.splitlines()) == (0, ["\t".join(ROBOTS)])
    assert "nobody" in none.stderr
    few = shell.run("report", "robots", "--days", "9")
    assert few.exit_code == 2, "of nine days nothing is concluded"
