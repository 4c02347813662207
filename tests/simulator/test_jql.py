"""JQL: minutes, the caller's time zone, relative times, order, and what is refused."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.clock import jira_time
from simulator.config import DAY_MS
from simulator.rest.index import Row
from simulator.rest.jql import UNBOUNDED, Names, Query, parse
from simulator.rest.response import JiraError

from .conftest import NOW
from .walk import V3, ms, search_all

pytestmark = pytest.mark.anyio

ZONES = ["UTC", "Asia/Kolkata", "America/Los_Angeles", "Pacific/Auckland"]


def read(jql: str, zone: str = "UTC") -> Query:
    projects = {"bade": 0, "kife": 1}
    return parse(jql, Names(NOW, zone, lambda text: projects.get(text.lower()), lambda text: int(text.split("-")[-1])))


def row(at: int, number: int = 1, project: int = 0) -> Row:
    return Row(number, at, at, project)


@given(st.sampled_from(ZONES), st.integers(NOW - 60 * DAY_MS, NOW), st.sampled_from(["-", "/"]))
@settings(deadline=None)
def test_literals_are_minutes_in_the_callers_zone(zone: str, at: int, mark: str) -> None:
    local = jira_time(zone, at)
    text = f"{local[:10].replace('-', mark)} {local[11:16]}"
    minute = at - at % 60_000
    query = read(f'updated >= "{text}" AND updated < "{text}" OR'[:-3], zone)
    assert not query.matches(row(at))
    query = read(f'updated >= "{text}"', zone)
    # Where clocks are set back one local minute happens twice; Jira takes one of them.
    assert query.matches(row(minute)) or query.matches(row(minute + 3_600_000))
    assert not query.matches(row(minute - 3_600_000 - 1))


def test_the_same_words_mean_another_moment_elsewhere() -> None:
    jql = 'updated >= "2026-11-18 00:00"'
    midnight = ms("2026-11-18T00:00:00.000+0530")
    assert read(jql, "Asia/Kolkata").matches(row(midnight))
    assert not read(jql, "Asia/Kolkata").matches(row(midnight - 1))
    assert not read(jql, "UTC").matches(row(midnight))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("-31d", 31 * DAY_MS),
        ("'-2w'", 14 * DAY_MS),
        ('"-90m"', 90 * 60_000),
        ("-3h", 10_800_000),
        ("now()", 0),
        ("now(-1d)", DAY_MS),
    ],
)
def test_relative_times_count_from_now(text: str, span: int) -> None:
    query = read(f"created >= {text}", "Asia/Kolkata")
    assert query.matches(row(NOW - span))
    assert not query.matches(row(NOW - span - 1))


def test_start_of_day_is_the_callers() -> None:
    query = read("updated >= startOfDay(-1d)", "Asia/Kolkata")
    midnight = ms("2026-11-17T00:00:00.000+0530")
    assert query.matches(row(midnight))
    assert not query.matches(row(midnight - 1))


def test_projects_and_ids() -> None:
    assert read("project in (BADE, kife)").matches(row(1, project=1))
    assert not read("project = BADE").matches(row(1, project=1))
    assert read("project not in (BADE) AND (id in (7, 8) AND id >= 7)").matches(row(1, 8, 1))
    assert not read("key in (BADE-7)").matches(row(1, 8))
    assert read("project is not EMPTY").matches(row(1))


def test_order() -> None:
    rows = [row(5, 1), row(3, 2), row(5, 3)]
    read("project = BADE ORDER BY updated ASC, id DESC").sort(rows)
    assert [one.id for one in rows] == [2, 3, 1]
    read("project = BADE").sort(rows)
    assert [one.id for one in rows] == [3, 1, 2]


@pytest.mark.parametrize("jql", ["", "  ", "ORDER BY updated DESC", "order by created"])
def test_unbounded_queries_are_refused_in_jiras_words(jql: str) -> None:
    with pytest.raises(JiraError) as refused:
        read(jql)
    assert (refused.value.status, refused.value.messages) == (400, (UNBOUNDED,))


@pytest.mark.parametrize(
    "jql",
    [
        "updated >= yesterday",
        "updated >=",
        'updated >= "2026-13-01 00:00"',
        "updated ~ x",
        "color = red",
        "project = NOPE",
        "project = BADE OR project = KIFE",
        "project = BADE ORDER BY color",
        "project = BADE ORDER BY " + ", ".join(["id"] * 8),
        "updated >= -31d)",
        "id in 7",
        "updated >= startOfDay(x)",
        "project = BADE & id = 1 \\",
    ],
)
def test_nonsense_is_400(jql: str) -> None:
    with pytest.raises(JiraError) as refused:
        read(jql)
    assert refused.value.status == 400


async def test_the_site_reads_literals_in_the_callers_profile_zone(client: httpx.AsyncClient) -> None:
    me = (await client.get(f"{V3}/myself")).json()
    assert me["timeZone"] == "Asia/Kolkata"
    cutoff = ms("2026-11-12T09:30:00.000+0530")
    found = await search_all(
        client, 'updated >= "2026-11-12 09:30" ORDER BY updated ASC', fields=["updated"], maxResults=100
    )
    times = [ms(issue["fields"]["updated"]) for issue in found]
    assert times == sorted(times)
    assert times[0] >= cutoff
    everything = await search_all(client, "updated >= -400d", fields=["updated"], maxResults=100)
    assert len(found) == sum(ms(issue["fields"]["updated"]) >= cutoff for issue in everything) < len(everything)


@pytest.mark.parametrize(
    "body",
    [{"jql": "order by id"}, {"jql": "id >= 1", "nextPageToken": "?"}, {"jql": "id >= 1", "maxResults": "x"}, {}],
)
async def test_errors_have_jiras_form(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post(f"{V3}/search/jql", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"errorMessages", "errors"}
    assert answer.json()["errorMessages"][0]
