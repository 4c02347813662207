"""An account's type is the directory's word, else atlassian if any payload ever said so, else the newest one named."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.writers import ActivityWriter, DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import Activity, Directory, SnapshotComplete, User, encode
from rollcall.warehouse import Row, Warehouse, migrate, open_warehouse, rebuild_days, record_sites

from ..facts import ACME, Refreshing, entries, fact, ms

DAY = date(2026, 11, 2)
NOON = ms("2026-11-02T12:00:00")
ACCOUNTS = ("anna", "bert")
TYPES = ("", "app", "atlassian", "customer")


@dataclass(frozen=True)
class Payload:
    """What one payload says: an act has a payload of either source, each as often as it is sent."""

    account: str
    act: int
    said: str
    received: int
    source: str

    def record(self, site: str) -> Activity:
        """The later it came, the older its act: only the time of receipt may decide."""
        return fact(
            f"history:{self.account}{self.act}",
            NOON - 1000 * self.received,
            site=site,
            account_id=self.account,
            account_type=self.said,
            source=self.source,
            received_at=NOON + self.received,
        )


@dataclass(frozen=True)
class Snapshot:
    """A directory as one run read it: whom it lists, as what; one may break off, or have no list of users."""

    number: int
    listed: tuple[tuple[str, str], ...]
    complete: bool = True
    lacks: tuple[str, ...] = ()

    def records(self, site: str) -> list[Directory]:
        base: dict[str, Any] = {"site": site, "snapshot_id": NOON + self.number}
        listed: list[dict[str, Any]] = [{"account_id": who, "account_type": said} for who, said in self.listed]
        rows: list[Directory] = [User(**one, **base) for one in listed]
        counts: dict[str, Any] = {"users": len(rows), "licenses": 0, "roles": 0, "seats": 0}
        last = SnapshotComplete(completed_at=NOON + self.number, lacks=list(self.lacks), **counts, **base)
        return [*rows, last] if self.complete else rows


REBUILD = "rebuild"
Types = dict[str, str]
Step = Payload | Snapshot | str


def expected(steps: Sequence[Step], account: str) -> str | None:
    """The rule in plain Python; None for an account that nobody knows."""
    whole = [one for one in steps if isinstance(one, Snapshot) and one.complete and "users" not in one.lacks]
    listed = dict(max(whole, key=lambda one: one.number).listed) if whole else {}
    payloads = [one for one in steps if isinstance(one, Payload) and one.account == account]
    if listed.get(account):
        return listed[account]
    if any(one.said == "atlassian" for one in payloads):
        return "atlassian"
    named = [(one.received, one.said) for one in payloads if one.said]
    return max(named)[1] if named else "" if payloads or account in listed else None


class House:
    """A warehouse for all examples: each is a site of its own."""

    def __init__(self, warehouse: Warehouse, runner: asyncio.Runner) -> None:
        self._warehouse = warehouse
        self._runner = runner
        self._sites = 0

    @property
    def site(self) -> str:
        """The newest example's."""
        return f"site{self._sites}"

    def query(self, sql: str) -> list[Row]:
        return self._runner.run(self._warehouse.query(sql))

    def after(self, steps: Sequence[Step]) -> tuple[Types, Types]:
        """Take the steps at a new site; return the types that `accounts` has and those that `user_days` has."""
        self._sites += 1
        return self._runner.run(self._after(steps))

    async def _after(self, steps: Sequence[Step]) -> tuple[Types, Types]:
        await record_sites(self._warehouse, {self.site: ACME})
        writers = [Refreshing(self._warehouse, kind, {self.site: ACME}) for kind in (ActivityWriter, DirectoryWriter)]
        for step in steps:
            await self._take(step, self.site, *writers)
        for writer in writers:
            await writer.settle()
        accounts, known = await self._types("accounts"), await self._types("known_account_types")
        assert {one: said for one, said in known.items() if one in accounts and said} == {
            one: said for one, said in accounts.items() if said
        }
        return accounts, await self._types("user_days")

    async def _take(self, step: Step, site: str, activity: Refreshing, directory: Refreshing) -> None:
        if isinstance(step, Payload):
            assert await activity.put(entries([step.record(site)])) == []
        elif isinstance(step, Snapshot):
            listed = [Entry(encode(one), 0, n, f"rollcall.directory/0@{n}") for n, one in enumerate(step.records(site))]
            assert await directory.put(listed) == []
        else:
            await rebuild_days(self._warehouse, site, ACME.timezone, [DAY])

    async def _types(self, name: str) -> Types:
        rows = await self._warehouse.query(
            f"SELECT DISTINCT account_id, account_type FROM {name} WHERE site = {{site:String}}", {"site": self.site}
        )
        found = {row["account_id"]: row["account_type"] for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with asyncio.Runner() as runner:
        warehouse = runner.run(open_warehouse(f"chdb://{tmp_path_factory.mktemp('types')}/warehouse", "a test"))
        try:
            runner.run(migrate(warehouse))
            yield House(warehouse, runner)
        finally:
            runner.run(warehouse.close())


@st.composite
def some_steps(draw: st.DrawFn) -> list[Step]:
    """Payloads and snapshots in any order, some of them twice, and rebuilds in between."""
    payloads = st.builds(
        Payload,
        st.sampled_from(ACCOUNTS),
        st.integers(1, 2),
        st.sampled_from(TYPES),
        st.integers(0, 3),
        st.sampled_from(["webhook", "reconcile"]),
    )
    said = draw(st.lists(payloads, max_size=6))
    listed = st.dictionaries(st.sampled_from(ACCOUNTS), st.sampled_from(TYPES)).map(lambda one: tuple(one.items()))
    lacks = st.sampled_from([(), (), ("users",), ("licenses",)])
    snapshots = [
        Snapshot(number, draw(listed), draw(st.booleans()), draw(lacks)) for number in range(draw(st.integers(0, 3)))
    ]
    once: list[Step] = [*said, *snapshots]
    again = draw(st.lists(st.sampled_from(once), max_size=3)) if once else []
    return draw(st.permutations([*once, *again, *draw(st.lists(st.just(REBUILD), max_size=2))]))


@settings(max_examples=15, deadline=None)
@given(steps=some_steps())
def test_whatever_comes_in_whatever_order_the_rule_holds(house: House, steps: list[Step]) -> None:
    accounts, days = house.after(steps)
    told = {account: expected(steps, account) for account in ACCOUNTS}
    assert accounts == {account: said for account, said in told.items() if said is not None}
    assert days == {one.account: told[one.account] for one in steps if isinstance(one, Payload)}


def payload(said: str, received: int, act: int = 1, source: str = "webhook") -> Payload:
    return Payload("anna", act, said, received, source)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([payload("atlassian", 1), payload("customer", 2, 2)], "atlassian"),
        ([payload("customer", 2, 2), payload("atlassian", 1)], "atlassian"),
        ([payload("customer", 1), payload("app", 2, 2)], "app"),
        ([payload("app", 2), payload("customer", 1, 2)], "app"),
        ([payload("app", 2), payload("", 3, 2)], "app"),
        ([payload("", 1)], ""),
        # One act: REST's row of it is the one that stays in `activity`, and that a rebuild reads.
        ([payload("atlassian", 1), payload("customer", 2, source="reconcile"), REBUILD], "atlassian"),
        ([payload("atlassian", 1), payload("", 2, source="reconcile"), REBUILD], "atlassian"),
    ],
    ids=str,
)
def test_what_payloads_say(house: House, steps: list[Step], said: str) -> None:
    assert house.after(steps) == ({"anna": said}, {"anna": said})


def test_reports_and_head_counts_follow(house: House) -> None:
    house.after([payload("atlassian", 1), payload("customer", 2, 2), Payload("bert", 1, "customer", 1, "webhook")])
    where = f"WHERE site = '{house.site}' AND"
    assert house.query(f"SELECT account_id FROM user_usage_30d {where} account_type = 'atlassian'") == [
        {"account_id": "anna"}
    ]
    assert house.query(f"SELECT active FROM active_users_daily {where} day = '{DAY}'") == [{"active": 1}]


LISTS, LISTS_NOT = Snapshot(1, (("anna", "customer"),)), Snapshot(2, ())


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        ([LISTS], "customer"),
        ([LISTS, LISTS_NOT], "atlassian"),
        ([LISTS_NOT, LISTS], "atlassian"),
        ([LISTS, LISTS_NOT, Snapshot(3, (("anna", "app"),))], "app"),
        ([LISTS, Snapshot(2, (), complete=False)], "customer"),
        ([LISTS, Snapshot(2, (), lacks=("users",))], "customer"),
        ([LISTS, Snapshot(2, (("anna", ""),))], "atlassian"),
    ],
    ids=["listed", "gone", "read late", "listed again", "broken off", "without users", "listed without a type"],
)
def test_the_directorys_word_counts_while_it_lists_the_account(house: House, snapshots: list[Step], said: str) -> None:
    assert house.after([payload("atlassian", 1), *snapshots]) == ({"anna": said}, {"anna": said})


def test_only_the_days_asked_for_are_read(house: House) -> None:
    """Types are joined to `user_days`; a filter on site or day has to reach the rollup all the same."""
    house.after([payload("atlassian", 1)])
    for condition, parts in [(f"site = '{house.site}'", 1), (f"day = '{DAY}' AND site = 'nobody'", 0)]:
        where = f"{condition} AND account_type = 'atlassian'"
        read = house.query(f"EXPLAIN ESTIMATE SELECT account_id, comment FROM user_days WHERE {where}")
        assert sum(row["parts"] for row in read if row["table"] == "user_day_states") == parts
