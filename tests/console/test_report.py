"""The reports: the right rows in each form, and hostile names shown as text."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.reports import DAYS, MOST_DAYS, read_report
from rollcall.records import Activity
from rollcall.warehouse import Warehouse

from ..facts import fact, ms, write
from .conftest import Shell


def today() -> date:
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


def at(days_ago: int, hour: int = 10) -> int:
    """A moment of a day in Berlin, epoch ms; today is cut to a moment that was."""
    day = today() - timedelta(days=days_ago)
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo("Europe/Berlin"))
    return int(moment.timestamp() * 1000)


def some_facts() -> list[Activity]:
    return [
        fact("comment:1:created", at(0, 0)),
        fact("worklog:1:created", at(0, 0) + 1),
        fact("history:1", at(1), account_id="bert"),
        fact("history:2", at(6), account_id="bot", account_type="app"),
        fact("history:3", at(6), account_id="cust", account_type="customer"),
        fact("history:4", at(29), account_id="carl"),
        fact("history:5", at(30), account_id="dora"),
        fact("history:6", at(2), account_id="typeless", account_type=""),
        fact("comment:9:deleted", at(2), account_id=""),
    ]


def test_days_lists_people_of_the_window(shell: Shell) -> None:
    shell.store(some_facts())
    rows = shell.rows("report", "days")
    assert [(row["day"], row["account_id"]) for row in rows] == [
        ((today() - timedelta(days=29)).isoformat(), "carl"),
        ((today() - timedelta(days=1)).isoformat(), "bert"),
        (today().isoformat(), "anna"),
    ]
    anna = rows[-1]
    assert list(anna) == ["site", "day", "account_id", "comment", "history", "worklog", "first_at", "last_at"]
    assert (anna["comment"], anna["history"], anna["worklog"]) == (True, False, True)
    first = datetime.fromtimestamp(at(0, 0) / 1000, UTC)
    assert anna["first_at"] == first.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert anna["last_at"] == first.strftime("%Y-%m-%dT%H:%M:%S.001Z")


def test_one_day_is_today_and_31_reach_further(shell: Shell) -> None:
    shell.store(some_facts())
    assert [row["account_id"] for row in shell.rows("report", "days", "--days", "1")] == ["anna"]
    assert [row["account_id"] for row in shell.rows("report", "days", "--days", "31")] == [
        "dora",
        "carl",
        "bert",
        "anna",
    ]


def test_the_longest_window_reaches_every_fact(shell: Shell) -> None:
    shell.store([fact("history:1", ms("2002-01-01T12:00:00")), fact("history:2", at(0, 0), account_id="bert")])
    rows = shell.rows("report", "days", "--days", str(MOST_DAYS))
    assert [row["account_id"] for row in rows] == ["anna", "bert"]
    users = {row["account_id"]: row["active_days"] for row in shell.rows("report", "users", "--days", str(MOST_DAYS))}
    assert users == {"anna": 1, "bert": 1}


@pytest.mark.parametrize("name", ["days", "users", "licenses", "idle", "coverage"])
def test_a_window_before_1970_is_wrong_usage(shell: Shell, name: str) -> None:
    """A Date cannot tell it: it wraps around, and everybody would be idle."""
    result = shell.run("report", name, "--days", str(MOST_DAYS + 1))
    assert result.exit_code == 2
    assert str(MOST_DAYS) in result.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("days", [20_780, 20_790, 36_500, 4_294_967_295])
async def test_a_window_never_wraps_around(warehouse: Warehouse, days: int) -> None:
    """The SQL door takes any number of days."""
    await write(warehouse, fact("history:1", at(1)), fact("history:2", ms("2002-01-01T12:00:00")))
    [row] = await warehouse.query("SELECT active_days, changes FROM user_usage(days = {days:UInt32})", {"days": days})
    assert row == {"active_days": 2, "changes": 2}
    assert len(await read_report(warehouse, DAYS, ["acme"], days, all_accounts=True)) == 2


def test_all_accounts_adds_apps_customers_and_unknown_ones(shell: Shell) -> None:
    shell.store(some_facts())
    found = {row["account_id"] for row in shell.rows("report", "days", "--all-accounts")}
    assert found == {"anna", "bert", "carl", "bot", "cust", "typeless"}


def test_users_counts_facts_and_days(shell: Shell) -> None:
    shell.store(some_facts())
    rows = {row["account_id"]: row for row in shell.rows("report", "users")}
    assert set(rows) == {"anna", "bert", "carl", "dora"}
    anna = rows["anna"]
    assert (anna["comments"], anna["changes"], anna["worklogs"], anna["active_days"]) == (1, 0, 1, 1)
    assert rows["dora"]["active_days"] == 0
    assert rows["dora"]["last_active_at"]
    assert rows["bert"]["licenses"] == []


def test_an_accounts_type_is_learned_from_any_of_its_facts(shell: Shell) -> None:
    shell.store([fact("history:1", at(2), account_type=""), fact("history:2", at(1), account_type="atlassian")])
    assert len(shell.rows("report", "days")) == 2


@pytest.mark.parametrize("name", ["licenses", "idle", "coverage"])
def test_the_other_reports_are_empty_without_a_directory(shell: Shell, name: str) -> None:
    shell.store(some_facts())
    assert shell.rows("report", name) == []


def test_coverage_counts_what_webhooks_had_brought(shell: Shell) -> None:
    both = [fact("history:1", at(1)), fact("history:1", at(1), source="reconcile")]
    shell.store([*both, fact("history:2", at(1), source="reconcile"), fact("history:3", at(1))])
    assert shell.rows("report", "coverage") == [
        {"site": "acme", "day": (today() - timedelta(days=1)).isoformat(), "known": 2, "by_webhook": 1, "share": 0.5}
    ]


def hostile() -> list[Activity]:
    return [
        fact("history:1", at(1), account_id="=HYPERLINK(1)"),
        fact("history:2", at(1), account_id="[bold]x\x1b[2J\u202e"),
        fact("history:3", at(1), account_id="<script>alert(1)</script>"),
    ]


def test_csv_keeps_formulas_text(shell: Shell) -> None:
    shell.store(hostile())
    result = shell.run("report", "days", "--format", "csv")
    cells: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {row["account_id"] for row in cells} == {
        "'=HYPERLINK(1)", "[bold]x\x1b[2J\u202e", "<script>alert(1)</script>",
    }  # fmt: skip
    assert cells[0]["history"] == "yes"


def test_a_table_shows_control_characters_as_text(shell: Shell) -> None:
    shell.store(hostile())
    shown = shell.run("report", "days").stdout
    assert "[bold]x\\u001b[2J\\u202e" in shown
    assert "\x1b" not in shown


def test_an_empty_report_says_where_to_look(shell: Shell) -> None:
    shell.store([])
    result = shell.run("report", "days", "--format", "json")
    assert result.stdout == "[]\n"
    assert "rollcall check" in result.stderr


def test_without_a_warehouse_it_says_so(shell: Shell) -> None:
    result = shell.run("report", "days")
    assert result.exit_code == 1
    assert "there is no warehouse at" in result.stderr
    assert "start `rollcall up`" in result.stderr


def test_an_unknown_site_is_wrong_usage(shell: Shell) -> None:
    result = shell.run("report", "days", "--site", "nowhere")
    assert result.exit_code == 2
    assert "the settings have acme" in result.stderr
