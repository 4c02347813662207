"""The page shows the numbers that `rollcall report` prints."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console.reports import DAYS, USERS, Report, read_report
from console.web.template import product
from rollcall.clock import iso

from ..web.serving import Served
from .page_object import DayRow, PersonRow, RollcallPage

_BERLIN = ZoneInfo("Europe/Berlin")


def report(served: Served, which: Report, days: int) -> list[dict[str, Any]]:
    return served.ask(read_report(served.warehouse, which, ["acme"], days, all_accounts=False))


def active(rows: list[dict[str, Any]], last: date, days: int) -> set[str]:
    return {row["account_id"] for row in rows if last - timedelta(days=days) < row["day"] <= last}


def test_tiles_are_the_people_of_report_days(page: RollcallPage, company_page: Served) -> None:
    page.open(site="acme")
    tiles = page.tiles()
    rows = report(company_page, DAYS, 40)
    assert tiles.active_month > tiles.active_week > tiles.active_today > 0
    for days, shown in ((1, tiles.active_today), (7, tiles.active_week), (30, tiles.active_month)):
        assert shown == len(active(rows, tiles.today, days))


def test_chart_and_its_table_are_the_days_of_report_days(page: RollcallPage, company_page: Served) -> None:
    page.open(site="acme")
    today = page.tiles().today
    rows = report(company_page, DAYS, 40)
    expected = {}
    for before in range(30):
        day = today - timedelta(days=before)
        of_day = [row for row in rows if row["day"] == day]
        families = (sum(row[family] for row in of_day) for family in ("comment", "history", "worklog"))
        expected[day] = DayRow(len(of_day), *families)
    page.find("#numbers-summary").click()
    shown = page.days()
    assert list(shown) == list(expected), "newest first"
    assert shown == expected
    for field in ("active", "comment", "history", "worklog"):
        points = [int(title.rpartition(" ")[2]) for title in page.points(field)]
        assert points == [getattr(expected[day], field) for day in sorted(expected)]


def test_the_table_of_people_is_report_users(page: RollcallPage, company_page: Served) -> None:
    page.open(site="acme")
    shown = page.all_people()
    expected = [as_shown(row) for row in report(company_page, USERS, 30)]
    assert len(shown) == 130
    assert shown == expected, "the same people, numbers and order"
    assert {row.last_activity for row in shown if row.last_active_at is None} == {"no activity seen"}


def test_apps_and_customers_are_not_among_the_people(page: RollcallPage) -> None:
    page.open(site="acme", q="app")
    assert not page.people()
    page.open(site="acme", q="buyer")
    assert page.text("#nobody").startswith("Nobody here matches")


def as_shown(row: dict[str, Any]) -> PersonRow:
    last = row["last_active_at"]
    local = last.astimezone(_BERLIN).strftime("%Y-%m-%d %H:%M") if last else "no activity seen"
    return PersonRow(
        account_id=row["account_id"],
        name=row["name"],
        email=row["email"],
        last_active_at=iso(last) if last else None,
        last_activity=local if row["active_days"] or not last else f"{local} none in 30 days",
        licenses=tuple(map(product, row["licenses"])),
        **{name: row[name] for name in ("active_days", "comments", "changes", "worklogs", "status")},
    )
