"""Licenses over time, thresholds and robots on the page: what is shown and taken away is what the warehouse has."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date, timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from console.output import OutputFormat, print_rows
from console.reports import ThresholdRow
from console.web.seat_chart import draw_seats
from console.web.seat_reports import HISTORY, SEAT_REPORTS
from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Row
from rollcall.warehouse.robots import ROBOTS, read_robots
from rollcall.warehouse.seats import VERDICTS, read_thresholds

from ..seats.warehouse import DESK, SOFTWARE
from . import holders
from .serving import Served

PATHS = tuple(report.path for report in SEAT_REPORTS)


@pytest.fixture
def viewer(company: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=company.url, timeout=60) as client:
        yield client


def printed(rows: list[Row], columns: Any, form: OutputFormat) -> str:
    """What the command prints."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    with redirect_stdout(out):
        print_rows(rows, list(columns), form)
    out.flush()
    return raw.getvalue().decode()


def history(company: Served, product: str = "", days: int = 90) -> list[Row]:
    return company.ask(
        company.warehouse.query(
            f"SELECT {', '.join(HISTORY)} FROM seat_days WHERE site = 'acme' AND product LIKE {{product:String}} "
            "AND day > (SELECT any(today) FROM site_days WHERE site = 'acme') - {days:UInt16} "
            "ORDER BY product, day DESC",
            {"product": product or "%", "days": days},
        )
    )


def table(text: str, name: str) -> list[list[str]]:
    """The cells of each row of a table with that class, without what stands small below a figure."""
    body = re.search(rf'<table class="{name}".*?<tbody[^>]*>(.*?)</tbody>', text, re.DOTALL)
    assert body
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.DOTALL)
    small = re.compile(r'<span class="(?:source|tag)">.*?</span>', re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", small.sub("", row), re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in cells]


# ---- What is shown ----


def test_thresholds_are_those_of_the_report(viewer: httpx.Client, company: Served) -> None:
    for product in ("", DESK):
        rows = company.ask(read_thresholds(company.warehouse, company.settings.seats, ["acme"], product))
        text = viewer.get("/thresholds", params={"site": "acme", "product": product}).text
        shown = table(text, "list stack")
        assert [row[0] for row in shown] == [f"{row['days']} days" for row in rows]
        names = ("reached", "returned", "idle_now", "reclaimable", "unseen")
        assert [[cells[n] for n in (1, 2, 4, 5, 6)] for cells in shown] == [
            [str(row[name]) for name in names] for row in rows
        ]
        assert [cells[7] for cells in shown] == ["".join(row["savings"]) or "not known" for row in rows]
    [setting] = re.findall(r'data-days="(\d+)">(?:(?!</tr>).)*?the setting', text, re.DOTALL)
    assert setting == "90"
    assert [row[0] for row in table(viewer.get("/thresholds?site=acme&days=100").text, "list stack")] == [
        "120 days",
        "180 days",
    ]


def test_robots_are_those_of_the_report(viewer: httpx.Client, company: Served) -> None:
    [row] = company.ask(read_robots(company.warehouse, ["acme"], 30))
    text = viewer.get("/robots?site=acme").text
    [shown] = table(text, "list stack robots")
    assert shown[2:6] == [str(row["acts"]), str(row["hours"]), f"{row['quiet_hours']} h", str(row["burst"])]
    assert (shown[1], shown[6], shown[7]) == ("Jira", row["kind"], row["why"])
    assert f'href="/person?site=acme&amp;account={holders.ROBOT}"' in text
    few = viewer.get("/robots?site=acme&days=20").text
    [fewer] = company.ask(read_robots(company.warehouse, ["acme"], 20))
    assert table(few, "list stack robots")[0][2] == str(fewer["acts"]) != str(row["acts"])
    assert 'value="10"' in viewer.get("/robots?site=acme&days=3").text, "of fewer days nothing is concluded"
    assert 'id="nothing"' in viewer.get("/robots", params={"site": "acme", "product": DESK}).text


def test_every_day_that_was_counted_is_in_the_table_and_the_chart(viewer: httpx.Client, company: Served) -> None:
    text = viewer.get("/licenses", params={"site": "acme", "product": SOFTWARE, "days": 60}).text
    rows = history(company, SOFTWARE, 60)
    assert len(rows) == 59 - 5, "yesterday is the last, and each tenth day is missing"
    assert table(text, "numbers by-day") == [
        [str(row["day"]), *(str(row[name]) for name in ("seats", "held", *VERDICTS))] for row in rows
    ]
    wide = text.partition('class="chart bars wide"')[2].partition("</svg>")[0]
    told = re.findall(r"<title>... ([0-9-]+): (\d+) held \((.*?)\)</title>", wide)
    assert told == [
        (str(row["day"]), str(row["held"]), ", ".join(f"{name} {row[name]}" for name in VERDICTS if row[name]))
        for row in reversed(rows)
    ]
    assert "Jira Service Management" not in text.partition("</form>")[2]


def test_the_days_before_stand_beside(viewer: httpx.Client) -> None:
    text = viewer.get("/licenses", params={"site": "acme", "product": SOFTWARE, "days": 60}).text
    # Of the made-up counts one seat more is held, and idle, each day; the 61st day before yesterday has counts.
    assert "299 held on" in text
    assert "60 more held and 60 more idle or never used than on" in text
    assert "nothing is known of the 400 days before" in viewer.get("/licenses?site=acme&days=9999").text


# ---- What the chart draws ----


def bars(svg: str) -> dict[str, list[tuple[float, float, float]]]:
    """Of each verdict the bars' left, top and ground."""
    corners = re.compile(r"M([\d.]+) ([\d.]+)h[\d.]+V([\d.]+)")
    paths = re.findall(r'<path class="is-(\w+)" d="([^"]*)"', svg)
    return {verdict: [(float(x), float(y), float(z)) for x, y, z in corners.findall(path)] for verdict, path in paths}


def top_of(svg: str) -> int:
    """The number at the top of the axis."""
    return max(int(text.replace(",", "")) for text in re.findall(r'dy="0.32em">([\d,]+)<', svg))


@pytest.mark.parametrize("days", [1, 2, 59, 61, 130, 131, 400])
def test_bars_are_as_high_as_their_counts_and_inside(days: int) -> None:
    today = date(2026, 3, 1)
    zero = dict.fromkeys(VERDICTS, 0)
    rows: list[Row] = [
        {**zero, "day": today - timedelta(days=n), "held": 3 * n + 7, "active": 2 * n + 3, "idle": n + 4}
        for n in range(days)
        if n % 3 != 1
    ]
    wide, narrow = draw_seats(rows, days, today).split("</svg>")[:2]
    for svg, most in ((wide, 130), (narrow, 60)):
        box = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
        ground = re.search(r'<line x1="([\d.]+)" y1="([\d.]+)"', svg)
        assert box
        assert ground
        found = bars(svg)
        assert set(found) == {"active", "idle"}, "what there is none of is not drawn"
        each = -(-days // most)
        shown: dict[int, Row] = {}
        for row in rows:
            shown.setdefault((today - row["day"]).days // each, row)
        assert len(found["active"]) == len(shown) <= most
        scale = (float(ground[2]) - 8) / top_of(svg)
        for (x, top, low), (above_x, above_top, above_low), (_, row) in zip(
            found["active"], found["idle"], sorted(shown.items(), reverse=True), strict=True
        ):
            assert float(ground[1]) <= x == above_x < int(box[1])
            assert low == float(ground[2])
            assert low - top == pytest.approx(row["active"] * scale, abs=0.11)
            assert above_low == top
            assert low - above_top == pytest.approx(row["held"] * scale, abs=0.11)
            assert above_top >= 8
        places = [x for x, *_ in found["active"]]
        assert places == sorted(set(places))
        assert f"{today.day} {today:%b}" in svg, "today is named"


# ---- What is asked, and taken away ----


def test_exports_are_what_is_shown(viewer: httpx.Client, company: Served) -> None:
    only: dict[str, Any] = {"site": "acme", "product": SOFTWARE, "days": 40}
    rows = {
        "/licenses": (history(company, SOFTWARE, 40), HISTORY),
        "/thresholds": (
            [
                row
                for row in company.ask(read_thresholds(company.warehouse, company.settings.seats, ["acme"], SOFTWARE))
                if row["days"] >= 40
            ],
            ThresholdRow.__struct_fields__,
        ),
        "/robots": (company.ask(read_robots(company.warehouse, ["acme"], 40, SOFTWARE)), ROBOTS),
    }
    assert set(rows) == set(PATHS)
    for path, (some, columns) in rows.items():
        assert some
        page = viewer.get(path, params=only).text
        for ending, form, kind in (
            (".csv", OutputFormat.CSV, "text/csv; charset=utf-8"),
            (".json", OutputFormat.JSON, "application/json"),
        ):
            [link] = re.findall(rf'href="({path}\{ending}[^"]*)"', page)
            answer = viewer.get(unescape(link))
            assert answer.content.decode() == printed(some, columns, form)
            assert answer.headers["content-type"] == kind
            assert answer.headers["content-disposition"] == f'attachment; filename="{path[1:]}-acme{ending}"'
            assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query", ["days=x&product=%00", "days=-1", "days=99999999999", "days=1.5&site=nobody", "site="]
)
def test_any_address_is_some_view(viewer: httpx.Client, path: str, query: str) -> None:
    answer = viewer.get(f"{path}?{query}")
    assert answer.status_code == 200
    assert 'aria-current="page">' in answer.text.partition("<main")[0].partition('class="views"')[2]
    assert csv.reader(io.StringIO(viewer.get(f"{path}.csv?{query}").text))


@pytest.mark.parametrize("path", PATHS)
def test_without_licenses_it_says_what_reads_them(viewer: httpx.Client, path: str) -> None:
    text = viewer.get(f"{path}?site=borealis").text
    assert "rollcall reconcile" in text
    assert "<table" not in text


def test_where_no_run_counted_it_says_so(viewer: httpx.Client) -> None:
    text = viewer.get("/licenses?site=acme&days=1").text
    assert 'id="nothing"' in text, "the made-up counts end yesterday"
    assert 'id="csv"' not in text


@pytest.mark.parametrize("path", PATHS)
def test_without_a_warehouse_it_says_so(
    company: Served, viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def away(*_: Any, **__: Any) -> list[Row]:
        raise WarehouseUnavailableError("cannot reach http://someone:secret@host")

    monkeypatch.setattr(company.warehouse, "query", away)
    answer = viewer.get(f"{path}?site=acme&days=77")
    assert answer.status_code == 503
    assert "cannot be shown just now" in answer.text
    assert "secret" not in answer.text
    assert viewer.get(f"{path}.csv?site=acme&days=78").status_code == 503
