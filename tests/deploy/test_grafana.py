"""Dashboards and alert rules of Grafana: every SQL runs through the SQL door on data, and answers what is drawn."""

import operator
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from console.sqldoor import DoorLimits
from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry
from rollcall.records import Activity, Directory, encode
from rollcall.settings import SeatsSettings
from rollcall.warehouse import Warehouse, record_seat_settings
from rollcall.warehouse.seats import SEATS, VERDICTS, count_seats, read_savings, read_seats

from ..facts import Refreshing, entries
from ..seats.test_reports import PRICES, ago, facts, snapshot
from ..seats.warehouse import DESK, SOFTWARE, act
from ..sqldoor.house import Door, House, open_house
from .files import READABLE, grants
from .grafana import (
    ALL,
    DASHBOARDS,
    PLUGIN,
    alert_rules,
    every_sql,
    expanded,
    loaded,
    panels,
    tables_of,
    targets,
    variables,
)

PRICED = SeatsSettings.model_validate(tomllib.loads(PRICES)["seats"])


def span() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=90), now


def missed() -> Activity:
    return act("other", ago(3), source="reconcile")


def unheard() -> Activity:
    return act("ben", ago(5), site="other", source="reconcile")


DAY_BEFORE = """
INSERT INTO seat_day_counts
SELECT * REPLACE (day - 1 AS day, held + 7 AS held, idle + 7 AS idle, saving + 90 AS saving) FROM seat_day_counts
WHERE site = 'acme'
"""
"""More was idle then, so that a sum over days is not what there is now."""


@dataclass(frozen=True)
class Answer:
    """Columns, by their types, and rows."""

    columns: dict[str, str]
    rows: list[dict[str, Any]]

    def kind(self, column: str) -> str:
        """What Grafana takes a column for."""
        name = re.sub(r"^(?:(?:Nullable|LowCardinality)\()+", "", self.columns[column])
        if name.startswith(("Int", "UInt", "Float")):
            return "number"
        return "time" if name.startswith("Date") else "text" if name.startswith("String") else name


@dataclass(frozen=True)
class Grafana:
    """Asks what panels and rules ask, as the reading user."""

    house: House
    door: Door

    def ask(self, sql: str) -> Answer:
        found = self.door.ask(sql, default_format="JSON", output_format_json_quote_64bit_integers="0")
        assert found.status_code == 200, f"{found.text}\n{sql}"
        told = found.json()
        return Answer({one["name"]: one["type"] for one in told["meta"]}, told["data"])

    def options(self, dashboard: dict[str, Any]) -> dict[str, list[str]]:
        """What each variable offers, those that stand above another asked first."""
        found: dict[str, list[str]] = {}
        for name, one in variables(dashboard).items():
            if one["type"] == "custom":
                found[name] = one["query"].split(",")
            elif one["type"] == "query":
                values = {known: offered[:1] for known, offered in found.items()}
                rows = self.ask(expanded(one["query"], values, found, span())).rows
                found[name] = [str(next(iter(row.values()))) for row in rows]
        return found

    def panel(self, title: str, of: str = "", **chosen: Sequence[str]) -> Answer:
        """Ask a panel of a dashboard, whose variables stand where they do when it is opened unless chosen."""
        [(path, target)] = [
            (path, target)
            for path in DASHBOARDS
            for panel, target in targets(loaded(path), PLUGIN)
            if panel["title"] == title and of in path.name
        ]
        return self.ask(self.sent(loaded(path), target["rawSql"], **chosen))

    def sent(self, dashboard: dict[str, Any], sql: str, **chosen: Sequence[str]) -> str:
        options = self.options(dashboard)
        values = {name: _current(one, options.get(name, [])) for name, one in variables(dashboard).items()}
        return expanded(sql, {**values, **chosen}, options, span())


def _current(variable: dict[str, Any], offered: Sequence[str]) -> list[str]:
    """What a variable stands at when the dashboard is opened: the first that it offers where nothing else is said."""
    value = variable["current"].get("value", list(offered[:1]))
    return [value] if isinstance(value, str) else list(value)


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    limits = DoorLimits()
    with open_house(tmp_path_factory.mktemp("grafana")) as house, house.door(limits=limits) as door:
        house.run(seed(house.warehouse))
        yield Grafana(house, door)


async def seed(warehouse: Warehouse) -> None:
    """Two sites with people, seats, prices and facts: one goes well, of the other webhooks and runs are missing."""
    await record_seat_settings(warehouse, ["acme", "other"], PRICED)
    old = [replace(row, site="other", snapshot_id=row.snapshot_id - 3 * 86_400_000) for row in snapshot().complete()]
    await put_directory(warehouse, [*snapshot().complete(), *old])
    lately = [act("acts", ago(days), account_type="atlassian") for days in range(2, 22)]
    """One a day, each brought by a webhook and known to REST."""
    known = [replace(one, source="reconcile", received_at=one.received_at + 60_000) for one in lately]
    quiet = act("ben", ago(6), site="other", received_at=round((span()[1] - timedelta(days=6)).timestamp() * 1000))
    """What the other site's last webhook brought."""
    await put_facts(warehouse, [*facts(), *lately, *known, missed(), quiet, unheard()])
    for site in ("acme", "other"):
        await count_seats(warehouse, site, PRICED)
    await warehouse.command(DAY_BEFORE)


async def put_directory(warehouse: Warehouse, rows: Sequence[Directory]) -> None:
    made = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(rows)]
    assert await Refreshing(warehouse, DirectoryWriter).write(made) == []


async def put_facts(warehouse: Warehouse, facts: Sequence[Activity]) -> None:
    assert await Refreshing(warehouse).write(entries(facts)) == []


PANELS = [
    pytest.param(path, panel, target, id=f"{path.stem}-{panel['title']}")
    for path in DASHBOARDS
    for panel, target in targets(loaded(path), PLUGIN)
]


@pytest.mark.parametrize(("path", "panel", "target"), PANELS)
def test_every_panel_is_answered_in_the_shape_that_it_draws(
    path: Path, panel: dict[str, Any], target: dict[str, Any], grafana: Grafana
) -> None:
    answer = grafana.ask(grafana.sent(loaded(path), target["rawSql"], site=["acme"]))
    assert answer.rows
    kinds = {name: answer.kind(name) for name in answer.columns}
    assert set(kinds.values()) <= {"number", "time", "text"}, answer.columns
    match panel["type"]:
        case "timeseries":
            first, *others = kinds
            assert (first, kinds[first]) == ("time", "time")
            assert answer.columns["time"].startswith("DateTime"), "a Date is no time to Grafana's charts"
            assert "number" in (kinds[name] for name in others)
            assert [kinds[name] for name in others].count("text") <= 1
            times = [row["time"] for row in answer.rows]
            assert times == sorted(times)
            assert target["queryType"] == "timeseries"
        case "stat":
            rows = panel["options"]["reduceOptions"]["values"]
            assert sorted(kinds.values()) == ["number", "text"] if rows else set(kinds.values()) == {"number"}
            assert rows or len(answer.rows) == 1
        case "barchart":
            assert kinds[panel["options"]["xField"]] == "text"
    named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
    assert named <= set(answer.columns)


def test_every_variable_offers_what_is_there(grafana: Grafana) -> None:
    for path in DASHBOARDS:
        options = grafana.options(loaded(path))
        assert options["site"] == ["acme", "other"]
        assert options.get("product", [DESK, SOFTWARE]) == [DESK, SOFTWARE]
        for name, one in variables(loaded(path)).items():
            assert set(_current(one, options.get(name, []))) <= {*options.get(name, []), ALL}


def test_seats_are_those_of_the_reports(grafana: Grafana) -> None:
    seats = grafana.house.run(read_seats(grafana.house.warehouse, ["acme"]))
    savings = {
        row["product"]: row for row in grafana.house.run(read_savings(grafana.house.warehouse, PRICED, ["acme"]))
    }
    for product in (SOFTWARE, DESK):
        [verdicts] = grafana.panel("Seats by verdict", product=[product]).rows
        assert verdicts == {verdict: savings[product][verdict] for verdict in VERDICTS}
    [both] = grafana.panel("Seats by verdict").rows
    assert both == {verdict: sum(row[verdict] for row in savings.values()) for verdict in VERDICTS}
    before, last = grafana.panel("Seats by verdict, by day").rows
    assert {verdict: last[verdict] for verdict in VERDICTS} == both
    assert before["idle"] == both["idle"] + 14
    assert grafana.panel("Seats that nobody uses").rows == [{"reclaimable": both["idle"] + both["never"]}]
    assert grafana.panel("Seats").rows == [{"held": 10, "bought": 200}]
    # Nobody's saving is guessed: the desk is above its last tier.
    assert grafana.panel("What can be saved").rows == [{"amount": "USD a month", "total": 13.41}]
    bills = {row["product"]: row for row in grafana.panel("Bill").rows}
    assert (bills[SOFTWARE]["bill"], bills[SOFTWARE]["bill_after"], bills[SOFTWARE]["saving"]) == (38.22, 24.81, 13.41)
    assert bills[SOFTWARE]["saving_from"] == str(savings[SOFTWARE]["saving_from"])
    assert (bills[DESK]["bill"], bills[DESK]["bill_after"], bills[DESK]["saving"]) == (None, 17500.5, None)

    def people(**chosen: Sequence[str]) -> list[tuple[str, str, str]]:
        return sorted(
            (row["account_id"], row["product"], row["why"]) for row in grafana.panel("People", "seats", **chosen).rows
        )

    def reported(*verdicts: str, days: int = 0) -> list[tuple[str, str, str]]:
        rows = grafana.house.run(read_seats(grafana.house.warehouse, ["acme"], verdicts=verdicts, days=days))
        return sorted((row["account_id"], row["product"], row["why"]) for row in rows)

    assert people() == reported("idle", "never") != reported()
    assert people(verdict=[ALL]) == reported()
    assert people(verdict=[ALL], days=["120"]) == reported(days=120) != reported(days=90)
    assert set(SEATS) >= {"name", "why", "since"}
    [group, *_] = grafana.panel("Groups that grant what nobody uses", product=[SOFTWARE]).rows
    held = [row for row in seats if row["product"] == SOFTWARE and row["verdict"] in ("idle", "never")]
    assert group["group"] == "builders"
    assert group["people"] == len(held) == 2
    assert group["freed_by_leaving"] == sum(row["granted_by"] == ["builders"] for row in held) == 1


MONEY = ("What can be saved", "What can be saved, by day", "Bill")


def test_panels_of_money_are_empty_without_a_price(grafana: Grafana) -> None:
    warehouse = grafana.house.warehouse
    grafana.house.run(count_seats(warehouse, "acme", SeatsSettings()))
    try:
        # The day before had its price.
        assert [len(grafana.panel(title).rows) for title in MONEY] == [0, 1, 0]
        assert grafana.panel("Seats that nobody uses").rows
    finally:
        grafana.house.run(count_seats(warehouse, "acme", PRICED))
    assert [len(grafana.panel(title).rows) for title in MONEY] == [1, 2, 2]


def test_activity_is_that_of_the_facts(grafana: Grafana) -> None:
    [stat] = grafana.panel("People who were active").rows
    # `acts` alone came within a week of today; `other` three days ago too.
    assert stat == {
        "today so far": 0,
        "last 7 days": 2,
        "the 7 before": 1,
        "last 30 days": 2,
        "the 30 before": 0,
    }
    days = {row["time"][:10]: row for row in grafana.panel("Active people").rows}
    today = max(days)
    assert days[today]["that day"] is None, "a day that is not over is no day among others"
    assert [row["today so far"] for day, row in sorted(days.items())] == [None] * (len(days) - 1) + [0]
    assert [row["that day"] for _, row in sorted(days.items())][-5:-1] == [1, 2, 1, 1]
    assert {row["on_days"]: row["people"] for row in grafana.panel("On how many days people were active").rows} == {
        "none": 4,
        "more": 1,
    }
    assert [(row["name"], row["active_days"]) for row in grafana.panel("People", "activity").rows] == [
        ("Acts", 21),
        ("", 1),
    ]
    held = {row["product"]: row for row in grafana.panel("Who holds a product and was active", days=["180"]).rows}
    assert (held[SOFTWARE]["assigned"], held[SOFTWARE]["active"]) == (5, 2)
    held = {row["product"]: row for row in grafana.panel("Who holds a product and was active", days=["30"]).rows}
    assert (held[SOFTWARE]["assigned"], held[SOFTWARE]["active"]) == (5, 1)


def test_the_pipeline_is_never_calmer_than_it_is(grafana: Grafana) -> None:
    shares = {row["site"]: row["share"] for row in grafana.panel("Brought by webhooks").rows}
    assert shares == {"acme": pytest.approx(5 / 6), "other": 0}
    assert {row["site"] for row in grafana.panel("Brought by webhooks", site=["other"]).rows} == {"other"}
    shares = {row["site"]: row["share"] for row in grafana.panel("Brought by webhooks", days=["30"]).rows}
    assert shares["acme"] == pytest.approx(20 / 21)
    by_day = grafana.panel("Facts that Jira knows, and that webhooks brought").rows
    assert (sum(row["known"] for row in by_day), sum(row["by_webhook"] for row in by_day)) == (22, 20)
    ages = {(row["site"], row["part"]): row["hours"] for row in grafana.panel("Age of the directory").rows}
    assert (ages["acme", "users"], ages["other", "users"]) == (0, 72)
    silent = {row["site"]: row["ago"] for row in grafana.panel("Since the last webhook").rows}
    assert silent["other"] == pytest.approx(6 * 86_400, abs=600)


def fired(rule: dict[str, Any], grafana: Grafana) -> set[tuple[str, ...]]:
    """The labels of which a rule fires: of a table Grafana takes text for labels, and compares the number."""
    query, condition = rule["data"]
    answer = grafana.ask(query["model"]["rawSql"])
    kinds = {name: answer.kind(name) for name in answer.columns}
    assert sorted(set(kinds.values())) == ["number", "text"]
    [number] = [name for name, kind in kinds.items() if kind == "number"]
    assert not any(of.startswith("Nullable") for of in answer.columns.values())
    [evaluator] = [one["evaluator"] for one in condition["model"]["conditions"]]
    [line] = evaluator["params"]
    compare = {"gt": operator.gt, "lt": operator.lt}[evaluator["type"]]
    return {
        tuple(str(row[name]) for name in kinds if name != number) for row in answer.rows if compare(row[number], line)
    }


def test_every_alert_fires_by_its_cause_and_clears_after_it(grafana: Grafana) -> None:
    warehouse = grafana.house.warehouse
    rules = {rule["title"]: rule for rule in alert_rules()}

    def firing() -> dict[str, set[tuple[str, ...]]]:
        return {title: found for title, rule in rules.items() if (found := fired(rule, grafana))}

    parts = {("other", "users"), ("other", "licenses")}
    assert firing() == {
        "Webhooks are lost": {("acme",), ("other",)},
        "No webhook for long": {("other",)},
        "Users and licenses are old": parts,
    }
    dear = PRICED.model_copy(
        update={
            "products": {
                SOFTWARE: PRICED.products[SOFTWARE].model_copy(update={"price": [(2, 905), (250, 670)]}),
            }
        }
    )
    grafana.house.run(count_seats(warehouse, "acme", dear))
    assert firing()["Much is paid for seats that nobody uses"] == {("acme", "USD", "month")}
    grafana.house.run(count_seats(warehouse, "acme", PRICED))

    heard = [act("ben", ago(days), site="other") for days in range(1, 6)]
    again = [replace(one, source="reconcile", received_at=one.received_at + 60_000) for one in heard]
    caught_up = replace(unheard(), source="webhook")
    caught = replace(missed(), source="webhook")
    grafana.house.run(put_facts(warehouse, [*heard, *again, caught_up, caught]))
    fresh = [replace(row, site="other") for row in snapshot().complete()]
    grafana.house.run(put_directory(warehouse, fresh))
    assert firing() == {}


def test_what_is_said_of_verdicts_names_each(grafana: Grafana) -> None:
    [seats] = [loaded(path) for path in DASHBOARDS if path.stem == "seats"]
    for panel in panels(seats):
        if panel["title"].startswith("Seats by verdict"):
            assert re.findall(r"(\w+):", panel["description"]) == list(VERDICTS)
    assert grafana.options(seats)["verdict"] == list(VERDICTS)


def test_the_read_only_user_may_read_all_that_views_read(grafana: Grafana) -> None:
    for grant in grants():
        grafana.house.run(
            grafana.house.warehouse.query("SELECT formatQuery({sql:String})", {"sql": f"{grant} TO dashboards"})
        )
    read = {match[1] for grant in grants() if (match := re.fullmatch(r"GRANT SELECT ON rollcall\.(\w+)", grant))}
    assert read == READABLE
    assert {name for sql in every_sql() for name in tables_of(sql)} <= READABLE
