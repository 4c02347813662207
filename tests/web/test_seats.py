"""The view of seats: its numbers, lists and exports are those of the reports, through the real web application."""

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from console.output import OutputFormat, print_rows
from console.reports import DAYS, read_report
from console.web.chart import draw_calendar
from console.web.people import PAGE_SIZE, Person, read_person
from console.web.seats import MOST_DAYS, SeatQuery, SeatSort
from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Row
from rollcall.warehouse.seats import SEATS, VERDICTS, Verdict, read_savings, read_seats

from ..seats.warehouse import DESK, SOFTWARE
from . import holders
from .serving import Served

# ---- What an address asks for ----

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), max_size=20)
_NAMES = ["product", "verdict", "group", "days", "q", "sort", "page"]
_QUERIES = st.builds(
    SeatQuery,
    site=st.just("acme"),
    product=_TEXT,
    verdicts=st.sets(st.sampled_from(Verdict)).map(lambda some: tuple(one for one in Verdict if one in some)),
    group=_TEXT,
    days=st.integers(0, MOST_DAYS),
    search=_TEXT,
    sort=st.sampled_from(SeatSort),
    descending=st.booleans(),
    page=st.integers(1, 1000),
)


def read(link: str) -> SeatQuery:
    path, _, query = link.partition("?")
    assert path == "/seats"
    return SeatQuery.read("acme", QueryParams(query))


@given(_QUERIES)
def test_a_link_leads_to_its_view(query: SeatQuery) -> None:
    assert read(query.link()) == query
    assert read(query.link(sort=SeatSort.DID)).page == 1


@given(st.lists(st.tuples(st.sampled_from(_NAMES), st.text(max_size=30))))
def test_any_address_is_some_view(parameters: list[tuple[str, str]]) -> None:
    query = SeatQuery.read("acme", QueryParams(urlencode(parameters, errors="surrogatepass")))
    assert query.page >= 1
    assert 0 <= query.days <= MOST_DAYS
    assert read(query.link()) == query


# ---- What is shown ----


@pytest.fixture
def viewer(company: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=company.url, timeout=60) as client:
        yield client


def reported(company: Served, **only: Any) -> list[Row]:
    return company.ask(read_seats(company.warehouse, ["acme"], **only))


def printed(rows: list[Row], form: OutputFormat) -> str:
    """What `rollcall report seats` prints of rows."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    with redirect_stdout(out):
        print_rows(rows, SEATS, form)
        out.flush()
    return raw.getvalue().decode()


def listed(text: str) -> list[tuple[str, str, str]]:
    """Person, product and verdict of each row of the list."""
    return re.findall(r'<tr role="row" data-account="([^"]*)" data-product="([^"]*)" data-verdict="([^"]*)">', text)


def all_listed(viewer: httpx.Client, **query: Any) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for page in range(1, 100):
        here = viewer.get("/seats", params={**query, "page": page}).text
        found += listed(here)
        if 'id="next-page"' not in here:
            return found
    raise AssertionError("the pages have no end")


def card(text: str, product: str) -> dict[str, str]:
    """The figures of a product's card, by name."""
    part = text.partition(f'data-product="{product}"')[2].partition("</article>")[0]
    figures = re.findall(r'data-(?:count|money)="(\w+)">([^<]*)', part)
    assert len(figures) == len(dict(figures))
    return {name: value.strip() for name, value in figures}


def test_the_company_has_every_verdict(company: Served) -> None:
    verdicts = {row["account_id"]: row["verdict"] for row in reported(company, product=SOFTWARE)}
    found = [verdicts[account] for account in (*holders.ONE_OF_EACH, holders.idle(0))]
    assert found == ["active", "reader", "exempt", "new", "unseen", "never", "idle"]


def test_counts_and_money_are_those_of_the_report(viewer: httpx.Client, company: Served) -> None:
    text = viewer.get("/seats?site=acme").text
    rows = company.ask(read_savings(company.warehouse, company.settings.seats, ["acme"]))
    assert [row["product"] for row in rows] == [DESK, SOFTWARE]
    for row in rows:
        shown = card(text, row["product"])
        assert {name: int(shown[name].replace(",", "")) for name in ("seats", "held", *VERDICTS)} == {
            name: row[name] for name in ("seats", "held", *VERDICTS)
        }
        money = {name: shown[name] for name in ("bill", "bill_after", "saving") if name in shown}
        if row["product"] == SOFTWARE:
            assert money == {name: f"USD {row[name]:,.2f}" for name in ("bill", "bill_after", "saving")}
            assert f"from {row['saving_from']}" in text
        else:
            assert money == {}, "without prices no money is shown"


def test_products_go_by_jiras_names(viewer: httpx.Client) -> None:
    text = viewer.get("/seats?site=acme").text
    assert "<bdi>Jira Service Management</bdi>" in text
    assert not re.search(r">[^<]*jira-servicedesk[^<]*<", text), "the key is for addresses"


def test_the_list_is_the_report_in_its_order(viewer: httpx.Client, company: Served) -> None:
    rows = reported(company)
    assert len(rows) > 2 * PAGE_SIZE
    expected = [(row["account_id"], row["product"], row["verdict"]) for row in rows]
    assert all_listed(viewer, site="acme") == expected


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_figure_leads_to_so_many_seats(viewer: httpx.Client, company: Served, verdict: Verdict) -> None:
    text = viewer.get("/seats?site=acme").text
    count = int(card(text, SOFTWARE)[verdict])
    link = f"/seats?site=acme&amp;product={SOFTWARE}&amp;verdict={verdict}#seats"
    assert link in text
    found = all_listed(viewer, site="acme", product=SOFTWARE, verdict=verdict)
    assert len(found) == count > 0
    assert [one[0] for one in found] == [
        row["account_id"] for row in reported(company, product=SOFTWARE, verdicts=[verdict])
    ]


@pytest.mark.parametrize("sort", list(SeatSort))
def test_every_order_has_everybody_once_and_turns(viewer: httpx.Client, sort: SeatSort) -> None:
    there = all_listed(viewer, site="acme", sort=str(sort))
    back = all_listed(viewer, site="acme", sort=f"-{sort}")
    assert len(there) == len(set(there)) == len(back)
    assert set(there) == set(back)
    assert there != back


def test_filters_leave_out_what_they_say(viewer: httpx.Client, company: Served) -> None:
    rows = reported(company)
    by_group = all_listed(viewer, site="acme", group="=cmd|' /C calc'!A0")
    assert [one[0] for one in by_group] == ["never"]
    two = all_listed(viewer, site="acme", verdict=["never", "reader"])
    assert {one[2] for one in two} == {"never", "reader"}
    assert len(two) == sum(row["verdict"] in ("never", "reader") for row in rows)
    named = all_listed(viewer, site="acme", q="IDLE00")
    assert {one[0] for one in named} == {holders.idle(number) for number in range(10)}
    assert all_listed(viewer, site="acme", q="%idle%") == []
    assert all_listed(viewer, site="acme", product="jira") == []
    assert all_listed(viewer, site="borealis") == []


@pytest.mark.parametrize("days", [1, 2, 3, 90, 110, 149, 150, 151, 3650])
def test_days_without_act_or_look_are_days_of_the_site(viewer: httpx.Client, company: Served, days: int) -> None:
    zone = company.settings.sites["acme"].zone()
    today = company.ask(company.warehouse.query("SELECT today FROM site_days WHERE site = 'acme'"))[0]["today"]
    expected = set()
    for row in reported(company):
        seen = [moment.astimezone(zone).date() for moment in (row["did_at"], row["looked_at"]) if moment]
        if not seen or (today - max(seen)).days >= days:
            expected.add((row["account_id"], row["product"], row["verdict"]))
    assert set(all_listed(viewer, site="acme", days=days)) == expected


def test_the_first_view_sums_the_report_up_and_leads_to_the_seats(viewer: httpx.Client, company: Served) -> None:
    rows = company.ask(read_savings(company.warehouse, company.settings.seats, ["acme"]))
    text = viewer.get("/?site=acme").text
    for name, query in (("held", {}), ("idle", {"verdict": "idle"}), ("never", {"verdict": "never"})):
        shown = re.search(rf'id="seats-{name}"><a href="([^"]*)">([0-9,]+)</a>', text)
        assert shown
        link, figure = unescape(shown[1]), int(shown[2].replace(",", ""))
        assert figure == sum(row[name] for row in rows)
        assert int(re.findall(r'id="found">([0-9,]+)<', viewer.get(link).text)[0].replace(",", "")) == figure
        assert link == httpx.URL("/seats", params={"site": "acme", **query})
    [saving] = [row for row in rows if row["saving"] is not None]
    assert f"USD {saving['saving']:,.2f}</strong> a month" in text
    assert f"from {saving['saving_from']}" in text


# ---- One person ----


def test_a_person_is_what_reports_say_of_them(viewer: httpx.Client, company: Served) -> None:
    text = viewer.get("/person?site=acme&account=acts").text
    seats = [row for row in reported(company) if row["account_id"] == "acts"]
    assert re.findall(r'class="seat" data-product="([^"]*)" data-verdict="([^"]*)"', text) == [
        (row["product"], row["verdict"]) for row in seats
    ]
    for row in seats:
        assert row["why"] in unescape(text)
    days = company.ask(read_report(company.warehouse, DAYS, ["acme"], 365, all_accounts=False))
    mine = {str(row["day"]): row for row in days if row["account_id"] == "acts"}
    table = text.partition('class="numbers"')[2].partition("</table>")[0]
    shown = re.findall(r'datetime="([0-9-]+)".*?</tr>', table)
    assert shown == sorted(mine, reverse=True)
    assert f'id="active-days">{len(mine)}<' in text
    bars = re.findall(r'<rect class="(comment|history|worklog)" [^>]*><title>... ([0-9-]+):', text)
    expected = {(name, day) for day, row in mine.items() for name in ("comment", "history", "worklog") if row[name]}
    assert set(bars) == expected
    assert len(bars) == 2 * len(expected), "once wide, once narrow"


def test_days_that_are_not_known_are_no_days_without_activity(viewer: httpx.Client, company: Served) -> None:
    text = viewer.get("/person?site=acme&account=never").text
    wide = text.partition('class="chart calendar wide"')[2].partition("</svg>")[0]
    assert wide.count('class="known"') + wide.count('class="unknown"') == 365
    assert 'class="unknown"' not in wide, "days are known since 400 days"
    assert company.ask(read_person(company.warehouse, "borealis", "never")) is None
    assert viewer.get("/person?site=borealis&account=never").status_code == 404


def test_the_calendar_holds_every_day_once_and_inside() -> None:
    first = date(2024, 1, 1)
    for today in (first + timedelta(days=n) for n in range(0, 800, 13)):
        active = {today - timedelta(days=n): frozenset({"comment", "worklog"}) for n in (0, 1, 363, 364)}
        person = Person({}, today, today - timedelta(days=200), active, [])
        for svg in draw_calendar(person).split("</svg>")[:2]:
            box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
            assert box
            cells = re.findall(r'class="(?:known|unknown)" x="(-?\d+)" y="(-?\d+)"', svg)
            assert len(cells) == len(set(cells)) == 365
            assert all(0 < int(x) <= int(box[1]) - 12 and 0 < int(y) <= int(box[2]) - 12 for x, y in cells)
            assert svg.count('class="unknown"') == 365 - 201
            assert svg.count("<title>") == 8


# ---- What is taken away ----


@pytest.mark.parametrize("only", [{}, {"product": SOFTWARE, "verdict": ["never", "idle"]}, {"product": "none"}])
def test_exports_are_what_the_report_prints(viewer: httpx.Client, company: Served, only: dict[str, Any]) -> None:
    rows = reported(company, product=only.get("product", ""), verdicts=only.get("verdict", ()))
    answer = viewer.get("/seats.csv", params={"site": "acme", "page": 2, **only})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="seats-acme.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.content.decode() == printed(rows, OutputFormat.CSV)
    answer = viewer.get("/seats.json", params={"site": "acme", **only})
    assert answer.headers["content-type"] == "application/json"
    assert answer.content.decode() == printed(rows, OutputFormat.JSON)
    assert len(answer.json()) == len(rows)


def test_exports_are_filtered_and_ordered_as_the_list(viewer: httpx.Client) -> None:
    query: dict[str, Any] = {"site": "acme", "q": "idle", "days": 120, "sort": "-did"}
    exported = [
        (row["account_id"], row["product"], row["verdict"]) for row in viewer.get("/seats.json", params=query).json()
    ]
    assert exported == all_listed(viewer, **query)
    assert len(exported) > PAGE_SIZE


def test_no_cell_is_a_formula(viewer: httpx.Client) -> None:
    for row in csv.reader(io.StringIO(viewer.get("/seats.csv?site=acme").text)):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@"))]
    groups = {row["account_id"]: row["granted_by"] for row in json.loads(viewer.get("/seats.json?site=acme").text)}
    assert groups["never"] == ["=cmd|' /C calc'!A0", "builders"], "JSON is as it was given"


# ---- When there is nothing to show ----


def test_without_licenses_it_says_what_reads_them(viewer: httpx.Client) -> None:
    text = viewer.get("/seats?site=borealis").text
    assert "rollcall reconcile" in text
    assert "<table" not in text


def test_without_a_warehouse_it_says_so(company: Served, viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> list[Row]:
        raise WarehouseUnavailableError("cannot reach http://someone:secret@host")

    monkeypatch.setattr(company.warehouse, "query", away)
    monkeypatch.setattr(company.warehouse, "fetch", away)
    answer = viewer.get("/seats?site=acme&q=somebody-else")
    assert answer.status_code == 503
    assert "cannot be shown just now" in answer.text
    assert "secret" not in answer.text
    assert viewer.get("/seats.csv?site=acme").status_code == 503
