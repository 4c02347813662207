"""The verdict's truth table: the contract's, row by row, on the view that is the only place of the rules.

The site is in Berlin and its present is 2026-11-27 11:30 there; the threshold is 90 days: 2026-08-30 is its first day.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from rollcall.records import User
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Row, Warehouse
from rollcall.warehouse.rollups import refresh_site

from ..facts import fact, ms, write
from ..warehouse.engines import clickhouse, on_a_real_server_too, warehouse, warehouse_url
from .warehouse import CORE, DESK, DISCOVERY, SOFTWARE, Case, Snapshot, act, directory, judged, seats, set_now

pytestmark = [pytest.mark.anyio, on_a_real_server_too]
__all__ = ["clickhouse", "warehouse", "warehouse_url"]

NOW = "2026-11-27 10:30:00"
TODAY = "2026-11-27T02:00:00"
FIRST, BEFORE = "2026-08-30", "2026-08-29"
"""The first day of the threshold, and the day before it."""
ORG_DAY = "2020-03-01T09:00:00"


def old(at: str = TODAY) -> Snapshot:
    """A snapshot in which anna holds Jira, and did so for years."""
    return Snapshot(at, {"anna": (SOFTWARE,)}).added("anna", ORG_DAY)


def looking(day: str | None, as_of: str | None = None) -> Snapshot:
    """The same, and anna looked at it on a day, or never."""
    moment = day if day is None or "T" in day else f"{day}T12:00:00"
    return old().looked("anna", SOFTWARE, moment, as_of)


def acts(*moments: str) -> list[Any]:
    return [act("anna", one if "T" in one else f"{one}T12:00:00") for one in moments]


async def verdicts(
    warehouse: Warehouse, table: Sequence[tuple[Case, str]], now: str = NOW, zone: str = "Europe/Berlin"
) -> list[Row]:
    """Hold each case against its verdict."""
    rows = await judged(warehouse, [case for case, _ in table], now, zone)
    wrong = [
        (number, wanted, row["verdict"], row["why"])
        for number, ((_, wanted), row) in enumerate(zip(table, rows, strict=True))
        if row["verdict"] != wanted
    ]
    assert wrong == []
    return rows


async def test_done_and_looked_at(warehouse: Warehouse) -> None:
    await verdicts(
        warehouse,
        [
            (Case(looking(None), acts(TODAY)), "active"),
            (Case(looking(None), acts(FIRST)), "active"),
            (Case(looking(None), acts(BEFORE)), "idle"),
            (Case(old(), acts(FIRST)), "active"),
            (Case(looking(FIRST)), "reader"),
            (Case(looking(FIRST), acts(BEFORE)), "reader"),
            (Case(looking(BEFORE)), "idle"),
            (Case(looking(BEFORE), acts("2026-05-01")), "idle"),
            (Case(looking(None)), "never"),
            (Case(old()), "unseen"),
            (Case(old(), acts("2026-05-01")), "unseen"),
            # What was told three days ago is not known today; what was told two days ago counts.
            (Case(looking(None, "2026-11-24T12:00:00")), "unseen"),
            (Case(looking(None, "2026-11-25T12:00:00")), "never"),
            (Case(looking("2026-11-20", "2026-11-24T12:00:00")), "unseen"),
            # Berlin is two hours ahead of UTC in August: its day begins at 22:00 UTC.
            (Case(looking(None), acts("2026-08-29T22:00:00")), "active"),
            (Case(looking(None), acts("2026-08-29T21:59:59.999")), "idle"),
            (Case(looking("2026-08-29T22:00:00")), "reader"),
            (Case(looking("2026-08-29T21:59:59.999")), "idle"),
        ],
    )


async def test_no_act_is_only_said_of_days_that_were_read(warehouse: Warehouse) -> None:
    def known(first: str | None, looked: str | None) -> Case:
        return Case(looking(looked), [act("bert", f"{first}T12:00:00")] if first else [], known=False)

    table = [
        (known(FIRST, None), "never"),
        (known("2026-08-31", None), "unseen"),
        (known("2026-08-31", BEFORE), "idle"),
        (known(None, None), "unseen"),
        (known(None, BEFORE), "idle"),
    ]
    rows = await verdicts(warehouse, table)
    late = date(2026, 8, 31)
    assert [row["known_since"] for row in rows] == [date(2026, 8, 30), late, late, None, None]
    assert ["days are known since" in row["why"] for row in rows] == [False, True, True, True, True]


GROUP = {"group": "contractors", "reason": "seasonal work"}
ACCOUNT = {"account_id": "anna", "reason": "signs once a year"}


def exempting(*entries: dict[str, Any]) -> SeatsSettings:
    return SeatsSettings.model_validate({"exempt": list(entries)})


async def test_exemptions(warehouse: Warehouse) -> None:
    def case(*entries: dict[str, Any], reads_as: str = "") -> Case:
        member = looking(None).member("anna", "contractors")
        return Case(member, settings=exempting(*entries), complete={"reads_as": reads_as})

    seasonal, yearly, ours = "seasonal work", "signs once a year", "Rollcall reads with it"
    table: list[tuple[Case, str | None]] = [
        (case(GROUP), seasonal),
        (case({**GROUP, "until": "2026-11-27"}), seasonal),
        (case({**GROUP, "until": "2026-11-26"}), None),
        (case({**GROUP, "group": "others"}), None),
        (case({**GROUP, "site": "other"}), None),
        (case(ACCOUNT), yearly),
        (case({**ACCOUNT, "account_id": "bert"}), None),
        # Of several the one that ends last, of two without an end the first in the settings.
        (case({**GROUP, "until": "2026-12-01"}, {**ACCOUNT, "until": "2026-12-02"}), yearly),
        (case({**GROUP, "until": "2026-12-02"}, {**ACCOUNT, "until": "2026-12-01"}), seasonal),
        (case({**GROUP, "until": "2026-12-02"}, ACCOUNT), yearly),
        (case(GROUP, ACCOUNT), seasonal),
        (case(ACCOUNT, GROUP), yearly),
        (case(reads_as="anna"), ours),
        (case(reads_as="bert"), None),
        (case(ACCOUNT, reads_as="anna"), yearly),
        (case({**ACCOUNT, "until": "2027-01-01"}, reads_as="anna"), ours),
    ]
    rows = await verdicts(warehouse, [(one, "exempt" if reason else "never") for one, reason in table])
    assert [row["exempt_reason"] for row in rows] == [reason for _, reason in table]
    assert all(reason in row["why"] for row, (_, reason) in zip(rows, table, strict=True) if reason)
    assert [row["exempt_until"] for row in rows if row["exempt_until"]] == [
        date(2026, 11, 27),
        date(2026, 12, 2),
        date(2026, 12, 2),
    ]


async def test_evidence_is_given_whatever_the_verdict(warehouse: Warehouse) -> None:
    """And a group that grants may be exempt too. Who asked stays known through runs that did not know it."""
    granted = looking(None).granted("anna", SOFTWARE, "contractors", "builders")
    active = Case(granted, acts(TODAY), exempting({**GROUP, "until": "2026-12-31"}))
    twice = [old("2026-11-26T02:00:00").complete(reads_as="anna"), looking(None).complete()]
    first, second = await verdicts(warehouse, [(active, "active"), (Case(twice), "exempt")])
    assert (first["exempt_reason"], first["exempt_until"]) == ("seasonal work", date(2026, 12, 31))
    assert first["granted_by"] == ["builders", "contractors"]
    assert second["exempt_reason"] == "Rollcall reads with it"


async def test_new(warehouse: Warehouse) -> None:
    """New while today less the day is below 30. Berlin is an hour ahead of UTC in October."""

    def joined(at: str | None, looked: str | None = None) -> Case:
        snapshot = Snapshot(TODAY, {"anna": (SOFTWARE,)}).looked("anna", SOFTWARE, looked)
        return Case(snapshot.added("anna", at) if at else snapshot)

    table = [
        (joined("2026-10-28T23:00:00"), "new"),
        (joined("2026-10-28T22:59:59"), "never"),
        (joined("2026-11-27T01:00:00"), "new"),
        (joined(None), "never"),
        (joined("2026-11-27T01:00:00", "2026-11-20T12:00:00"), "reader"),
    ]
    await verdicts(warehouse, table)


async def test_holds_since_the_first_snapshot_after_the_latest_that_lacked_it(warehouse: Warehouse) -> None:
    def held(*holding: int, **lacks: str) -> Case:
        snapshots = []
        for number, holds in enumerate(holding):
            who = {"bert": (SOFTWARE,), **({"anna": (SOFTWARE,)} if holds else {})}
            snapshot = Snapshot(f"2026-11-{10 + number}T02:00:00", who).added("anna", ORG_DAY)
            lacking = lacks.get(f"at_{number}")
            snapshots.append(snapshot.complete(lacks=(lacking,) if lacking else ()))
        return Case(snapshots)

    software, desk = "licenses:jira-software", "licenses:jira-servicedesk"
    table = [
        (held(1, 1, 1), None),
        (held(0, 1, 1), 1),
        (held(1, 0, 1), 2),
        (held(0, 1, 0, 1, 1), 3),
        # A snapshot that did not read the licenses lacks nobody.
        (held(1, 0, 1, at_1=software), None),
        (held(1, 0, 1, at_1="licenses"), None),
        (held(0, 0, 1, 1, at_1=software), 2),
        (held(1, 0, 1, at_1=desk), 2),
    ]
    rows = await judged(warehouse, [case for case, _ in table], NOW)
    wanted = [ms(ORG_DAY if since is None else f"2026-11-{10 + since}T02:00:00") for _, since in table]
    assert [round(row["holds_since"].timestamp() * 1000) for row in rows] == wanted


async def test_an_act_counts_for_the_products_of_its_project(warehouse: Warehouse) -> None:
    every = (SOFTWARE, DESK, DISCOVERY)
    table: list[tuple[str, tuple[str, ...], set[str]]] = [
        ("SOFT", every, {SOFTWARE}),
        ("HELP", every, {DESK}),
        ("IDEA", every, {DISCOVERY}),
        ("DESK", every, {SOFTWARE}),
        ("DESK", (CORE,), {CORE}),
        ("DESK", (DESK, DISCOVERY), {DESK, DISCOVERY}),
        ("SOFT", (DESK, DISCOVERY), set()),
        ("ODD", every, set(every)),
        ("GONE", every, set(every)),
        ("", every, set(every)),
        ("HELP", (CORE,), set()),
    ]
    await set_now(warehouse, NOW)
    people = {f"p{number}": held for number, (_, held, _) in enumerate(table)}
    await directory(warehouse, Snapshot(TODAY, people).complete())
    await write(warehouse, *(act(f"p{number}", TODAY, project) for number, (project, _, _) in enumerate(table)))
    found = await seats(warehouse)
    for number, (project, held, counts) in enumerate(table):
        mine = {product: found[f"p{number}", product] for product in held}
        assert {one for one, row in mine.items() if row["verdict"] == "active"} == counts, (project, held)
        assert {one for one, row in mine.items() if row["did_at"]} == counts
        assert {one for one, row in mine.items() if row["did_elsewhere_at"]} == set(held) - counts


@pytest.mark.parametrize("rest_first", [True, False])
async def test_an_act_without_a_project_takes_that_of_another_act_of_its_issue(
    warehouse: Warehouse, rest_first: bool
) -> None:
    """REST's word wins over the webhook's, however late that comes; written twice, all stays."""
    await set_now(warehouse, NOW)
    await directory(warehouse, Snapshot(TODAY, {"anna": (SOFTWARE, DESK, DISCOVERY)}).complete())
    worklog = fact("worklog:1:created", "2026-11-20T12:00:00", issue_id=7)
    told: dict[str, Any] = {"account_id": "bert", "issue_id": 7}
    by_rest = fact("history:1", "2026-11-01T12:00:00", project_key="IDEA", source="reconcile", **told)
    by_webhook = fact("history:2", "2026-11-21T12:00:00", project_key="HELP", **told)
    words = [by_rest, by_webhook] if rest_first else [by_webhook, by_rest]
    for one in (words[0], worklog, words[1], worklog):
        await write(warehouse, one)
    found = await seats(warehouse)
    assert {product for (who, product), row in found.items() if who == "anna" and row["did_at"]} == {DISCOVERY}


async def test_since_is_the_later_of_both_and_for_idle_only(warehouse: Warehouse) -> None:
    table = [
        (Case(looking("2026-06-01"), acts("2026-07-01")), "idle"),
        (Case(looking("2026-08-01"), acts("2026-07-01")), "idle"),
        (Case(looking(None), acts("2026-07-01")), "idle"),
        (Case(looking("2026-06-01"), acts(TODAY)), "active"),
        (Case(looking(None)), "never"),
    ]
    rows = await verdicts(warehouse, table)
    did, looked, only, *others = rows
    assert (did["since"], looked["since"], only["since"]) == (did["did_at"], looked["looked_at"], only["did_at"])
    assert [row["since"] for row in others] == [None, None]


async def test_only_people_who_are_active_in_jira_are_judged(warehouse: Warehouse) -> None:
    await set_now(warehouse, NOW)
    snapshot = Snapshot(TODAY, {"anna": (SOFTWARE,), "robo": (SOFTWARE,), "gone": (SOFTWARE,)})
    kinds: dict[str, dict[str, Any]] = {"robo": {"account_type": "app"}, "gone": {"active": False}}
    snapshot.rows = [
        replace(row, **kinds.get(row.account_id, {})) if isinstance(row, User) else row for row in snapshot.rows
    ]
    await directory(warehouse, snapshot.complete())
    assert set(await seats(warehouse)) == {("anna", SOFTWARE)}


async def test_the_newest_word_on_a_look_counts_and_stays_shown(warehouse: Warehouse) -> None:
    """A run that learned nothing of somebody leaves what the run before was told; nor does a torn one count."""
    first = Snapshot("2026-11-25T02:00:00", {"anna": (SOFTWARE,)}).looked("anna", SOFTWARE, "2026-11-01T12:00:00")
    second = Snapshot("2026-11-26T02:00:00", {"anna": (SOFTWARE,)})
    torn = Snapshot("2026-11-27T02:00:00", {}).looked("anna", SOFTWARE, None).added("anna", TODAY)
    case = Case([first.complete(), second.complete(lacks=("looked",)), torn.rows])
    [row] = await verdicts(warehouse, [(case, "reader")])
    assert row["holds_since"] is None
    await set_now(warehouse, "2026-11-28 10:00:00")
    later = (await seats(warehouse))["anna", SOFTWARE]
    assert later["verdict"] == "unseen"
    assert (later["looked_at"], later["looked_as_of"]) == (row["looked_at"], row["looked_as_of"])
    assert "2026-11-25" in later["why"]


async def test_days_of_a_product(warehouse: Warehouse) -> None:
    settings = SeatsSettings.model_validate({"products": {SOFTWARE: {"idle_days": 5, "new_days": 0}}})
    fresh = Snapshot(TODAY, {"anna": (SOFTWARE,)}).looked("anna", SOFTWARE, None).added("anna", TODAY)
    table = [
        (Case(fresh, acts("2026-11-22"), settings), "idle"),
        (Case(fresh, acts("2026-11-23"), settings), "active"),
        (Case(fresh, settings=settings), "never"),
    ]
    await verdicts(warehouse, table)


async def test_coverage_below_the_line_is_said(warehouse: Warehouse) -> None:
    late = [act("bert", f"2026-11-{day}T12:00:00", source="reconcile") for day in (10, 11, 12)]
    both = [act("bert", "2026-11-13T12:00:00"), act("bert", "2026-11-13T12:00:00", source="reconcile")]
    cases = [Case(looking(None), [*late, *both], SeatsSettings(coverage_line=line)) for line in (0.95, 0.2)]
    await judged(warehouse, cases, NOW)
    for site in ("s0", "s1"):
        await refresh_site(warehouse, site)
    first, second = await judged(warehouse, cases, NOW)
    assert "webhooks brought 25 % of what Jira knows" in first["why"]
    assert "webhooks brought" not in second["why"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])
async def test_at_every_hour_in_zones_far_from_utc(warehouse: Warehouse, zone: str) -> None:
    """The first day of the threshold moves at the site's midnight, and at no other hour."""
    place = ZoneInfo(zone)
    first = datetime(2026, 8, 30, 0, 0, tzinfo=place)
    inside, outside = (
        f"{moment.astimezone(ZoneInfo('UTC')):%Y-%m-%dT%H:%M:%S}" for moment in (first, first - timedelta(seconds=1))
    )
    cases = [Case(looking(None), acts(inside)), Case(looking(None), acts(outside)), Case(looking(inside))]
    await judged(warehouse, cases, NOW, zone)
    midnight = datetime(2026, 11, 27, 0, 0, tzinfo=place).astimezone(UTC)
    for hour in range(-1, 25):
        now = midnight + timedelta(hours=hour)
        await set_now(warehouse, f"{now:%Y-%m-%d %H:%M:%S}")
        rows = await warehouse.query("SELECT verdict FROM seats WHERE account_id = 'anna' ORDER BY site")
        wanted = (
            ["active", "active", "reader"] if hour < 0 else ["active", "idle", "reader"] if hour < 24 else ["idle"] * 3
        )
        assert [row["verdict"] for row in rows] == wanted, hour
