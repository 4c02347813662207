"""Days before those of each run are read once, newest first, and the warehouse is told from when on days are read."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reconcile.run import LOOKBACK_PARTS, RunOptions
from reconcile.state.watermark import Watermark, keep_watermark, lookback, read_before, read_watermark
from reconcile.state.window import Window, WindowRequest
from rollcall.settings import Settings
from simulator.config import DAY_MS

from . import test_schedule
from .commandline import command, write_config
from .installed import Installed, installed
from .oracle import known_to_rest
from .site import NOW, JiraSite, config, jira_site, settings_for
from .test_schedule import comes, quiet, up

pytestmark = pytest.mark.anyio

_look_often = test_schedule._look_often
SITE = config(people=3, acts_per_day=0.4, days=80, hard_cases=False)
ZONE = ZoneInfo("Europe/Berlin")
TODAY = datetime.fromtimestamp(NOW / 1000, ZONE).date()
SEARCH = "POST /rest/api/3/search/jql"
DEFAULT = {"idle_days": 90}
READ = "SELECT toDate(formatDateTime(since, '%F', 'Europe/Berlin')) AS day FROM directory_days_read FINAL"


def before(days: int) -> date:
    """Return the first of the last so many days."""
    return TODAY - timedelta(days=days - 1)


def begin(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1000)


def settings(jira: JiraSite, folder: Path, **more: Any) -> Settings:
    return settings_for(jira.url, folder, **{"seats": DEFAULT, **more})


def span_of(given: Settings) -> tuple[date, date] | None:
    span = lookback(given, "acme")
    if span is None:
        return None
    assert span.since
    assert span.until
    return span.since.date(), span.until.date()


def spanned(given: Settings) -> RunOptions | None:
    span = lookback(given, "acme")
    return RunOptions(span, LOOKBACK_PARTS) if span else None


async def known(rollcall: Installed, jira: JiraSite) -> tuple[date, bool]:
    """Return the day from which on the warehouse says that days are read, and whether it has all facts since."""
    [row] = await rollcall.query(READ)
    facts = {row["event_key"] for row in await rollcall.query("SELECT event_key FROM activity FINAL")}
    window = Window(begin(row["day"]), NOW - 5 * 60_000)
    return row["day"], known_to_rest(jira.site, window).keys() <= facts


async def test_span_after_span_until_the_longest_threshold(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path, seats={"idle_days": 14, "products": {"jira-core": {"idle_days": 90}}})
        assert span_of(given) is None, "what is read first is the default window"
        async with installed(given) as rollcall:
            for days, then in ((30, (60, 30)), (60, (90, 60)), (90, None)):
                outcome = await rollcall.reconcile(spanned(given))
                assert outcome.complete
                assert await known(rollcall, jira) == (before(days), True)
                assert span_of(given) == (then and (before(then[0]), before(then[1])))
            older = {key for key, one in known_to_rest(jira.site, Window(0, begin(before(30)))).items()}
            assert older, "there is something to be found"


@pytest.mark.parametrize(
    ("idle", "spans"),
    [
        (30, []),
        (31, [(31, 30)]),
        (90, [(60, 30), (90, 60)]),
        (365, [(60, 30), (120, 60), (240, 120), (365, 240)]),
    ],
)
def test_each_span_is_as_long_as_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: int, spans: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr("reconcile.state.watermark.is_of_settings", lambda *_: True)
    given = settings_for("http://127.0.0.1:1", tmp_path, seats={"idle_days": idle})
    folder = tmp_path / "reconcile"
    folder.mkdir()
    stood, found = Watermark(basis="b", issues=NOW, read_since=begin(before(30))), []
    keep_watermark(folder, "acme", stood)
    while span := span_of(given):
        found.append(tuple((TODAY - day).days + 1 for day in span))
        keep_watermark(folder, "acme", Watermark(basis="b", issues=NOW, read_since=begin(span[0])))
    assert found == spans


async def test_a_span_that_is_not_whole_is_read_again(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile()
            span = lookback(given, "acme")
            jira.faults(forced={SEARCH: [500] * 60})
            assert span
            outcome = await rollcall.reconcile(RunOptions(span, LOOKBACK_PARTS))
            assert not outcome.complete
            assert lookback(given, "acme") == span
            assert await known(rollcall, jira) == (before(30), True)


@pytest.mark.parametrize(
    ("stood", "since"),
    [
        pytest.param(Watermark(basis="b", issues=NOW - DAY_MS, read_since=7), 7, id="yesterday"),
        pytest.param(Watermark(basis="b", issues=NOW - 30 * DAY_MS, read_since=7), 7, id="as the window begins"),
        pytest.param(Watermark(basis="b", issues=NOW - 30 * DAY_MS - 1, read_since=7), 0, id="a hole before it"),
        pytest.param(Watermark(basis="another", issues=NOW - DAY_MS, read_since=7), 0, id="read as another account"),
        pytest.param(None, 0, id="never"),
    ],
)
def test_days_count_as_read_only_without_a_hole(stood: Watermark | None, since: int) -> None:
    assert read_before(stood, "b", Window(NOW - 30 * DAY_MS, NOW)) == since


async def test_what_the_next_runs_read_changes_nothing_and_a_pause_of_weeks_does(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile()
            await rollcall.reconcile(RunOptions(WindowRequest(days=70)))
            assert (await rollcall.query(READ))[0]["day"] == before(70)
            for days, first in ((1, before(70)), (2, before(70)), (33, before(30) + timedelta(days=36))):
                jira.site.clock.advance(days * DAY_MS)
                await rollcall.reconcile()
                assert (await rollcall.query(READ))[0]["day"] == first
            await rollcall.reconcile(RunOptions(WindowRequest(days=3), ("activity",)))
            await rollcall.reconcile(RunOptions(parts=("directory",)))
            assert (await rollcall.query(READ))[0]["day"] == before(30) + timedelta(days=36)


async def test_a_warehouse_that_lost_its_facts_is_not_said_to_have_them(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile(RunOptions(WindowRequest(days=70)))
        (tmp_path / "warehouse").rename(tmp_path / "gone")
        (tmp_path / "events.db").rename(tmp_path / "gone.db")
        async with installed(given) as rollcall:
            await rollcall.reconcile()
            assert await known(rollcall, jira) == (before(30), True)
        assert span_of(given) == (before(60), before(30))


async def test_the_command_reads_it_once_and_says_so(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        path = write_config(jira.url, tmp_path, idle_days=90)
        first = await command(path, "reconcile", "--format", "json")
        assert first.code == 0, first.err
        spans = [(row["name"], str(row["value"])[:10]) for row in first.rows if row["part"] == "lookback"]
        days = [(before(60), before(30)), (before(90), before(60))]
        utc = [f"{datetime.fromtimestamp(begin(day) / 1000, UTC):%F}" for span in days for day in span]
        assert [day for name, day in spans if name in ("since", "until")] == utc
        assert f"reads once the days from {before(60)} on" in first.err
        assert first.value("facts", "found") == len(known_to_rest(jira.site, Window(begin(before(30)), NOW - 300_000)))
        again = await command(path, "reconcile", "--format", "json")
        assert (again.code, [row for row in again.rows if row["part"] == "lookback"]) == (0, [])
        async with installed(settings(jira, tmp_path)) as rollcall:
            assert await rollcall.query("SELECT DISTINCT known_since AS day FROM seats") == [{"day": before(90)}]


async def test_up_reads_it_by_itself_and_once(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = test_schedule.settings(jira, tmp_path).model_copy(update={"seats": settings(jira, tmp_path).seats})
        folder = tmp_path / "reconcile"

        def whole() -> bool:
            stood = read_watermark(folder, "acme") if folder.exists() else None
            return stood is not None and stood.read_since == begin(before(90))

        async with up(given) as runs:
            await comes(whole)
            await quiet(runs)
            assert not runs.texts
        asked = jira.requests
        async with up(given) as runs:
            await runs.looking.wait()
            await quiet(runs)
        assert jira.requests == asked


async def test_up_says_what_keeps_it_from_reading_further_and_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with jira_site(SITE) as jira:
        given = test_schedule.settings(jira, tmp_path).model_copy(update={"seats": settings(jira, tmp_path).seats})
        async with installed(given) as rollcall:
            await rollcall.reconcile()
        jira.goes_away(SEARCH)
        async with up(given) as runs:
            await comes(lambda: any("days before those of each run could not be read" in text for text in runs.texts))
            asked = jira.requests
            await quiet(runs)
            assert jira.requests == asked, "not again and again"
            jira.faults()
            monkeypatch.setattr("reconcile.schedule._now", lambda: datetime.now(UTC) + timedelta(hours=2))
            await comes(lambda: lookback(given, "acme") is None)
            await quiet(runs)
            assert not runs.texts
