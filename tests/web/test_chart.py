"""The chart: every number a point, in its place, and nothing that the page's policy would stop."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.chart import SERIES, describe, draw
from console.web.overview import CHART_DAYS, DayCount, Headcounts

_SVG = "{http://www.w3.org/2000/svg}"
_TODAY = date(2026, 11, 23)


def counts(active: list[int | None]) -> Headcounts:
    days = [
        DayCount(
            _TODAY - timedelta(days=CHART_DAYS - 1 - n), many, *((None,) * 3 if many is None else (many, many // 2, 0))
        )
        for n, many in enumerate(active)
    ]
    return Headcounts(tuple(days), active[-1] or 0, 0, 0)


def charts(counted: Headcounts) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(f"<both>{draw(counted)}</both>"))


@given(st.integers(0, CHART_DAYS - 1), st.lists(st.integers(0, 30_000), min_size=CHART_DAYS, max_size=CHART_DAYS))
def test_every_number_is_a_point_in_its_place(unknown: int, numbers: list[int]) -> None:
    active = [None if n < unknown else number for n, number in enumerate(numbers)]
    for chart in charts(counts(active)):
        traces = [group for group in chart.iter(f"{_SVG}g") if group.get("class", "").startswith("trace")]
        assert [group.get("class") for group in traces] == [f"trace {field}" for field, _ in SERIES]
        points = list(traces[0].iter(f"{_SVG}circle"))
        titles = [point.findtext(f"{_SVG}title", "") for point in points]
        assert [int(title.rpartition(" ")[2]) for title in titles] == numbers[unknown:]
        places = [(float(point.get("cx", "")), float(point.get("cy", ""))) for point in points]
        assert [x for x, _ in places] == sorted(x for x, _ in places)
        by_height = sorted(zip(numbers[unknown:], (y for _, y in places), strict=True))
        heights = [y for _, y in by_height]
        assert heights == sorted(heights, reverse=True), "more people, higher up"


def test_a_number_is_level_with_its_tick_and_above_its_day_and_all_is_in_view() -> None:
    for chart in charts(counts([None, *(5_000 * (n % 5) for n in range(CHART_DAYS - 1))])):
        groups = {group.get("class"): group for group in chart.iter(f"{_SVG}g")}
        levels = {text.text: text.get("y") for text in groups["axis left"].iter(f"{_SVG}text")}
        columns = {text.text: text.get("x") for text in groups["axis bottom"].iter(f"{_SVG}text")}
        assert [line.get("y1") for line in groups["axis left"].iter(f"{_SVG}line")] == [*levels.values()]
        on_ticks = set()
        for point in groups["trace active"].iter(f"{_SVG}circle"):
            day, _, number = point.findtext(f"{_SVG}title", "").partition(", All: ")
            assert point.get("cy") == levels[f"{int(number):,}"]
            assert point.get("cx") == columns.get(day[4:], point.get("cx"))
            on_ticks.add(day[4:])
        assert on_ticks >= columns.keys()
        width, height = map(float, chart.get("viewBox", "").split()[2:])
        assert all(0 <= float(element.get("cx", 0)) <= width - 8 for element in chart.iter())
        assert all(0 <= float(element.get(name, 0)) <= height for element in chart.iter() for name in ("y", "cy", "y1"))
        polygon = groups["trace active"].findall(f"{_SVG}polygon")
        assert [[*groups[f"trace {field}"].iter(f"{_SVG}polygon")] for field, _ in SERIES] == [polygon, [], [], []]
        corners = polygon[0].get("points", "").split()
        assert corners[1:-1] == groups["trace active"].findall(f"{_SVG}polyline")[0].get("points", "").split()
        assert {float(corner.partition(",")[2]) for corner in (corners[0], corners[-1])} == {float(levels["0"] or "")}


@pytest.mark.parametrize("most", [0, 1, 3, 5, 7, 11, 99, 1001, 20_000])
def test_it_needs_neither_style_nor_script_and_counts_whole_people(most: int) -> None:
    for chart in charts(counts([most] * CHART_DAYS)):
        assert not {element.tag for element in chart.iter()} & {f"{_SVG}style", f"{_SVG}script", f"{_SVG}image"}
        for element in chart.iter():
            assert not [name for name in element.attrib if name in ("style", "id", "href") or name.startswith("on")]
        left = next(group for group in chart.iter(f"{_SVG}g") if group.get("class") == "axis left")
        ticks = [text.text or "" for text in left.iter(f"{_SVG}text")]
        assert len(ticks) == len(set(ticks)) >= 3
        assert all(tick.replace(",", "").isdecimal() for tick in ticks)
        assert max(int(tick.replace(",", "")) for tick in ticks) >= most


def test_it_is_described_in_words() -> None:
    told = describe(counts([None, *range(29)]))
    assert told == (
        "Active people per day from Sun 25 Oct to Mon 23 Nov: between 0 and 28, today 28. The table below has every "
        "number."
    )
    assert "nothing recorded yet" in describe(counts([None] * CHART_DAYS))
    assert draw(counts([None] * CHART_DAYS)) == ""
