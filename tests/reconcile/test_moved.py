"""A day's run reads what moved since the run before, and yet all is known that a run of the whole window finds."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.backfill.census import candidates
from reconcile.run import RunOptions
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.watermark import Watermark, keep_watermark, read_watermark
from reconcile.state.window import Window
from rollcall.records import Activity
from rollcall.settings import Settings
from simulator.config import DAY_MS
from simulator.rest.call import ApiCall

from ..jira_answers.altered import altered, path_of
from ..jira_answers.answering import CHANGELOGS, COMMENTS, DELETED, IDS, SEARCH, SERVER_INFO, UPDATED, WORKLOGS, broken
from ..jira_answers.changed_answers import ChangedAnswers
from .backfilling import appended, next_run, reconcile
from .installed import installed, seven_of_ten
from .oracle import known_to_rest, told
from .site import NOW, JiraSite, config, hurried, jira_site, settings_for

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
SITE = config(people=6, acts_per_day=4.0, days=33, hard_cases=False)
LARGE = config(people=40, acts_per_day=6.0, days=33, crowd=5_000, hard_cases=False)


def a_folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


async def facts_of(given: Settings, run: Checkpoint) -> dict[str, Activity]:
    """The facts of the run's window that are on the log by now."""
    found = (await appended(given)).facts
    return {key: fact for key, fact in found.items() if run.window.holds(fact.occurred_at)}


async def assert_all_known(
    given: Settings, jira: JiraSite, run: Checkpoint, but: Callable[[int], bool] | None = None
) -> None:
    """Assert that all that REST knows of the window is on the log, with the right actor and time, and nothing else."""
    found, wanted = await facts_of(given, run), known_to_rest(jira.site, run.window)
    lost = {key for key in wanted.keys() - found.keys() if not (but and but(wanted[key].issue_id))}
    assert lost == set()
    for key in wanted.keys() & found.keys():
        assert (found[key].account_id, found[key].occurred_at) == (wanted[key].rest_actor, wanted[key].rest_at), key
    assert found.keys() <= told(jira.site).keys()


def per_1000(run: Checkpoint, issues: int) -> float:
    return run.stats.requests.total() / issues * 1000


async def test_what_it_costs(tmp_path: Path) -> None:
    """At most 20 requests per 1,000 issues at first, and at most 2 on a day on which 1 % of them moved."""
    async with jira_site(LARGE) as jira:
        given = settings_for(jira.url, tmp_path)
        first = await next_run(given)
        issues = first.issues.issues
        assert issues > 5_000
        assert per_1000(first, issues) <= 20
        await assert_all_known(given, jira, first)
        jira.site.clock.advance(DAY_MS)
        calm = await next_run(given)
        assert 0.005 < calm.issues.issues / issues < 0.02
        assert per_1000(calm, issues) <= 2
        assert calm.missing == []
        await assert_all_known(given, jira, calm)
        # What the simulator's site was asked, not what the run counted.
        assert jira.requests == first.stats.requests.total() + calm.stats.requests.total()


async def test_full_requests_for_worklogs_and_one_for_the_comments_that_were_cut(tmp_path: Path) -> None:
    async with jira_site(config(people=6, acts_per_day=6.0, hard_cases=True)) as jira:
        run = await reconcile(settings_for(jira.url, tmp_path), RunOptions(parts=("activity",)))
        asked = run.stats.requests
        touched = {key.split(":")[1] for key, one in told(jira.site).items() if one.family == "worklog"}
        assert asked["POST /worklog/list"] <= len(touched) // 1000 + 1
        # 129 comments on two issues, of which a search embeds 20 and a page holds 100.
        assert asked["GET /issue/{issueIdOrKey}/comment"] == 4
        assert jira.site.requests[SERVER_INFO] == 0


@pytest.mark.parametrize("most", [100, 1_000])
async def test_more_comments_than_a_page_is_known_to_hold(tmp_path: Path, most: int) -> None:
    """A Jira that gives more gives them at once; one that refuses to be asked for more is asked for less."""
    sizes: list[int] = []

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if path_of(request).endswith("/comment"):
            size = int(request.url.params["maxResults"])
            sizes.append(size)
            if size > most:
                return httpx.Response(400, json={"errorMessages": ["maxResults is too large"]})
        return answer

    async with altered(config(people=5, acts_per_day=0.5), alter) as jira:
        given = settings_for(jira.url, tmp_path)
        run = await reconcile(given, RunOptions(parts=("activity",)))
        await assert_all_known(given, jira, run)
        assert run.missing == []
    assert set(sizes) == ({1_000, 100} if most == 100 else {1_000})


CHANCES = st.tuples(st.integers(0, 10_000), st.lists(st.integers(1, 60), min_size=1, max_size=4))


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(chances=CHANCES)
async def test_it_comes_to_the_same_as_reading_all_again(tmp_path_factory: Any, chances: tuple[int, list[int]]) -> None:
    seed, hours = chances
    folder = tmp_path_factory.mktemp("moved")
    site = config(seed=seed, people=4, acts_per_day=3.0, days=33, hard_cases=False)
    async with jira_site(site) as jira:
        moved, whole = (settings_for(jira.url, a_folder(folder, name)) for name in ("moved", "whole"))
        for pause in (0, *hours):
            jira.site.clock.advance(pause * HOUR_MS)
            some, all_of_it = await next_run(moved), await next_run(whole, RunOptions(parts=("activity",), whole=True))
            assert some.window == all_of_it.window
            assert all_of_it.moved is None
        assert some.moved is not None
        found, wanted = (await appended(moved)).facts, (await appended(whole)).facts
        assert found.keys() == wanted.keys()
        for key, fact in found.items():
            other = wanted[key]
            assert (fact.account_id, fact.occurred_at) == (other.account_id, other.occurred_at)
            assert (fact.issue_id, fact.issue_key, fact.project_key) == (
                other.issue_id,
                other.issue_key,
                other.project_key,
            )


async def test_coverage_is_that_of_a_whole_run(tmp_path: Path) -> None:
    """By day and in sum, in the warehouse and as the run tells it."""
    async with jira_site(config(people=8, acts_per_day=3.0, hard_cases=False)) as jira:
        came = {}
        for name, whole in (("moved", False), ("whole", True)):
            async with installed(settings_for(jira.url, a_folder(tmp_path, name))) as rollcall:
                await rollcall.webhooks(jira.site, seven_of_ten)
                await rollcall.reconcile()
                again = await rollcall.reconcile(RunOptions(whole=whole))
                assert (again.run.moved is None) == whole
                days = "SELECT * FROM webhook_coverage_daily ORDER BY day"
                came[name] = (again.coverage, await rollcall.query(days), again.run.missing)
        assert came["moved"] == came["whole"]
        coverage = came["moved"][0]
        assert coverage is not None
        assert 0 < coverage.by_webhook < coverage.known


def quiet_issue(jira: JiraSite, family: str) -> int:
    """An issue that last moved some days ago, and has comments (or whatever family)."""
    last: dict[int, int] = {}
    held = set()
    for one in known_to_rest(jira.site, Window(NOW - 25 * DAY_MS, NOW)).values():
        last[one.issue_id] = max(last.get(one.issue_id, 0), one.rest_at or 0)
        if one.family == family and one.action == "created" and not one.event_key.startswith("issue:"):
            held.add(one.issue_id)
    return next(issue for issue, at in sorted(last.items()) if issue in held and at < NOW - 4 * DAY_MS)


@pytest.mark.parametrize(
    ("endpoint", "status"), [(COMMENTS, 403), (CHANGELOGS, 504), (SEARCH, 500)], ids=["comments", "changes", "search"]
)
async def test_an_issue_that_could_not_be_read_is_looked_at_again_though_it_does_not_move(
    tmp_path: Path, endpoint: str, status: int
) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        issue = quiet_issue(jira, "comment")
        jira.faults(**broken(endpoint, status, (issue,)))
        first = await next_run(given)
        assert str(issue) in "".join(first.missing)
        for _ in range(2):
            jira.site.clock.advance(DAY_MS)
            run = await next_run(given)
            assert run.moved is not None
            assert run.moved.issue_ids == [issue]
            assert run.missing == first.missing
            await assert_all_known(given, jira, run, lambda number: number == issue)
        jira.faults(embedded_comments=1)
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.missing == []
        assert run.issues.issues < first.issues.issues / 2
        await assert_all_known(given, jira, run)
        jira.site.clock.advance(DAY_MS)
        assert (await next_run(given)).moved.issue_ids == []  # type: ignore[union-attr]  # it was not whole


async def test_an_issue_that_could_not_be_read_and_then_is_gone_is_no_gap_any_more(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        issue = quiet_issue(jira, "comment")
        jira.faults(**broken(COMMENTS, 403, (issue,)))
        await next_run(given)
        jira.faults()
        jira.site.vanish_issue(issue)
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert (run.missing, run.found.skipped["issues gone or hidden since they were listed"]) == ([], 1)
        jira.site.clock.advance(DAY_MS)
        assert (await next_run(given)).moved.issue_ids == []  # type: ignore[union-attr]  # it was not whole


async def test_a_worklog_that_could_not_be_read_is_looked_at_again(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        issue = quiet_issue(jira, "worklog")
        worklog = next(
            int(key.split(":")[1])
            for key, one in known_to_rest(jira.site, Window(NOW - 25 * DAY_MS, NOW)).items()
            if one.issue_id == issue and one.family == "worklog" and one.action == "created"
        )
        jira.faults(**broken(WORKLOGS, 403, (worklog,)))
        first = await next_run(given)
        assert str(worklog) in "".join(first.missing)
        jira.faults()
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is not None
        assert run.missing == []
        await assert_all_known(given, jira, run)
        fact = (await appended(given)).facts[f"worklog:{worklog}:created"]
        assert (fact.issue_id, bool(fact.issue_key), bool(fact.project_key)) == (issue, True, True)


@pytest.mark.parametrize("feed", [UPDATED, DELETED], ids=["touched", "deleted"])
async def test_a_feed_that_could_not_be_read_is_read_from_where_it_stood(tmp_path: Path, feed: str) -> None:
    async with jira_site(SITE) as jira:
        given, other = (settings_for(jira.url, a_folder(tmp_path, name)) for name in ("given", "other"))
        if feed == UPDATED:
            await next_run(given)
        jira.faults(**broken(feed, 403))
        if feed == DELETED:  # which a run of what moved asks only for what the whole run lacked
            assert len((await next_run(given)).missing) == 1
        for _ in range(3):
            jira.site.clock.advance(DAY_MS)
            run = await next_run(given)
            assert len(run.missing) == 1
            # Issues are read from the day before all the same: a site without time tracking pays nothing for it.
            assert run.moved is not None
            assert run.moved.issues > jira.site.clock.now() - 2 * DAY_MS
        jira.faults()
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.missing == []
        await assert_all_known(given, jira, run)
        whole = await next_run(other)
        assert (await facts_of(given, run)).keys() >= (await facts_of(other, whole)).keys()


async def test_after_a_gap_that_nobody_can_number_all_of_it_is_read_again(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        jira.faults(**broken(IDS, 403))
        assert (await next_run(given)).missing
        jira.site.clock.advance(DAY_MS)
        assert (await next_run(given)).moved is None
        jira.faults()
        jira.site.clock.advance(DAY_MS)
        assert (await next_run(given)).moved is None
        # Where runs before lacked nothing, it is read from where they stood.
        jira.faults(**broken(IDS, 403))
        since = []
        for _ in range(3):
            jira.site.clock.advance(DAY_MS)
            run = await next_run(given)
            assert run.moved is not None
            since.append(run.moved.issues)
        assert len(set(since)) == 1


async def test_a_run_that_failed_half_way_moves_nothing(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        stood = read_watermark(tmp_path / "reconcile", "acme")
        jira.site.clock.advance(DAY_MS)
        jira.goes_away(SEARCH, answered=1, greets=False)
        with pytest.raises(Exception, match="times over"):
            await next_run(given, limits=hurried(attempts=1))
        assert read_watermark(tmp_path / "reconcile", "acme") == stood
        jira.faults()
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is not None
        assert run.moved.issues < NOW
        await assert_all_known(given, jira, run)


async def test_a_resumed_run_counts_from_its_own_beginning(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        await next_run(given)
        jira.site.clock.advance(DAY_MS)
        jira.goes_away(SEARCH, answered=1, greets=False)
        with pytest.raises(Exception, match="times over"):
            await next_run(given, limits=hurried(attempts=1))
        jira.faults()
        jira.site.clock.advance(10 * HOUR_MS)
        resumed = await next_run(given, resume=True)
        assert resumed.resumed == 1
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is not None
        assert run.moved.issues < NOW + DAY_MS
        await assert_all_known(given, jira, run)


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> ChangedAnswers:
    return ChangedAnswers(monkeypatch)


async def test_what_happens_while_a_run_lasts_is_read_by_the_next(tmp_path: Path, changed: ChangedAnswers) -> None:
    async with jira_site(config(people=8, acts_per_day=8.0, days=33, hard_cases=False)) as jira:
        given = settings_for(jira.url, tmp_path)

        def slow(_: ApiCall, right: Callable[[], Any]) -> Any:
            jira.site.clock.advance(5 * HOUR_MS)
            return right()

        changed.now["POST /changelog/bulkfetch"] = slow
        await next_run(given)
        changed.now.clear()
        assert jira.site.clock.now() >= NOW + 5 * HOUR_MS
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is not None
        await assert_all_known(given, jira, run)


async def test_what_stood_in_no_index_yet_is_read_by_the_next_run(tmp_path: Path) -> None:
    """Its search index may lag behind by more than the few minutes that a window leaves to it."""
    async with jira_site(config(people=8, acts_per_day=8.0, days=33, hard_cases=False)) as jira:
        given = settings_for(jira.url, tmp_path)
        jira.faults(search_lag_ms=HOUR_MS)
        await next_run(given)
        jira.faults()
        jira.site.clock.advance(DAY_MS)
        run = await next_run(given)
        assert run.moved is not None
        await assert_all_known(given, jira, run)


@pytest.mark.parametrize("caller", ["America/Los_Angeles", "Asia/Kolkata", "UTC"])
async def test_what_moved_in_the_border_minute_is_read(tmp_path: Path, caller: str) -> None:
    """Jira reads times in JQL to the minute, in the account's zone: what moved in its first second is in."""
    async with jira_site(config(people=6, acts_per_day=3.0, caller_zone=caller, hard_cases=False)) as jira:
        last: dict[int, tuple[int, str]] = {}
        for key, one in told(jira.site).items():
            if one.rest_at is not None and one.family != "worklog" and one.action != "deleted":
                last[one.issue_id] = max(last.get(one.issue_id, (0, "")), (one.rest_at, key))
        at, key = max(found for found in last.values() if found[0] < NOW - 2 * DAY_MS)
        given = settings_for(jira.url, tmp_path)
        first = await next_run(given)
        assert key in (await appended(given)).facts
        (tmp_path / "events.db").unlink()
        folder, overlap = tmp_path / "reconcile", int(given.reconcile.moved_overlap_hours * HOUR_MS)
        stood = read_watermark(folder, "acme")
        assert stood is not None
        for since, comes in ((at, True), (at + 60_000 - at % 60_000, False)):
            before = Watermark(basis=stood.basis, zone=stood.zone, whole_at=stood.whole_at, issues=since + overlap)
            keep_watermark(folder, "acme", before)
            run = await next_run(given)
            assert run.moved is not None
            assert run.issues.issues < first.issues.issues
            assert (key in (await appended(given)).facts) == comes
            (tmp_path / "events.db").unlink()


def test_an_hour_that_the_clocks_repeat_is_begun_before() -> None:
    """Written in the account's zone, either of the two would be meant."""
    for at in (datetime(2026, 10, 25, 0, 40, tzinfo=UTC), datetime(2026, 10, 25, 1, 40, tzinfo=UTC)):
        jql = candidates(int(at.timestamp() * 1000), NOW, "Europe/Berlin")
        assert jql.startswith('updated >= "2026-10-25 01:')
    at = datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    assert '"2026-10-25 03:00"' in candidates(int(at.timestamp() * 1000), NOW, "Europe/Berlin")


async def test_another_warehouse_is_read_from_the_beginning(tmp_path: Path) -> None:
    """One that was made anew, or restored from before: it lacks what the watermark stands for."""
    async with jira_site(SITE) as jira:
        given = settings_for(jira.url, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile(RunOptions(parts=("activity",)))
            assert (await rollcall.reconcile(RunOptions(parts=("activity",)))).run.moved is not None
        shutil.rmtree(tmp_path / "warehouse")
        for name in ("events.db", "events.db-wal", "events.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        async with installed(given) as rollcall:
            outcome = await rollcall.reconcile(RunOptions(parts=("activity",)))
            assert outcome.run.moved is None
            await assert_all_known(given, jira, outcome.run)
            assert (await rollcall.reconcile(RunOptions(parts=("activity",)))).run.moved is not None


async def test_a_whole_run_says_which_issues_are_gone(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        before = await rollcall.reconcile(RunOptions(parts=("activity",)))
        assert before.run.notes == []
        lately = known_to_rest(jira.site, Window(NOW - 20 * DAY_MS, NOW))
        gone = sorted({one.issue_id for one in lately.values()})[:3]
        for issue in gone:
            jira.site.vanish_issue(issue)
        daily = await rollcall.reconcile(RunOptions(parts=("activity",)))
        assert daily.run.notes == []
        run = await rollcall.reconcile(RunOptions(parts=("activity",), whole=True))
        assert run.run.notes == ["3 issues of these days that Jira no longer lists; their facts stay"]
        assert run.run.missing == []
        [row] = await rollcall.query("SELECT count() AS facts FROM activity FINAL")
        assert row["facts"] >= before.run.found.facts.total()
