"""kill -9 at any point, then --resume: the same result, and less asked than by starting over."""

import asyncio
import itertools
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconcile.client.jira_errors import JiraUnavailableError
from reconcile.publisher import FactPublisher
from reconcile.run import RunOptions
from reconcile.state.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from reconcile.state.run_state import AlreadyRunningError, RunState, lasting_state
from rollcall.errors import LogUnavailableError

from ..failures import Failures
from .backfilling import appended, reconcile
from .oracle import assert_equal
from .site import JiraSite, config, hurried, jira_site, settings_for

pytestmark = pytest.mark.anyio

SITE = config(people=5, acts_per_day=1.0, crowd=2500)


async def killed(jira: JiraSite, folder: Path, after: int, how: str) -> None:
    """Start a run and kill it once it has sent so many requests."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.reconcile.child", jira.url, str(folder), how,
        stderr=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    begun = jira.requests
    while jira.requests < begun + after and child.returncode is None:
        await asyncio.sleep(0.001)
    if child.returncode is None:
        child.kill()
    await child.wait()


async def test_killed_at_ten_random_points_and_resumed(tmp_path: Path) -> None:
    async with jira_site(SITE, latency_ms=2) as jira:
        whole = settings_for(jira.url, tmp_path / "whole")
        (tmp_path / "whole").mkdir()
        full = await reconcile(whole, RunOptions(parts=("activity",)))
        wanted = (await appended(whole)).facts
        cost = full.stats.requests.total()
        assert jira.requests == cost

        folder = tmp_path / "killed"
        folder.mkdir()
        settings = settings_for(jira.url, folder)
        chance = random.Random(5)
        points = [chance.randrange(6, 10) for _ in range(10)]
        before = jira.requests
        for turn, after in enumerate(points):
            await killed(jira, folder, after, "resume" if turn else "anew")
        assert (folder / "reconcile" / "acme.json").exists()
        last = await reconcile(settings, resume=True)
        asked = jira.requests - before

        assert last.window == full.window
        assert last.resumed >= 9
        found = await appended(settings)
        assert found.facts.keys() == wanted.keys()
        assert_equal(found.facts, jira.site, last.window)
        # Each life asks who it is and what time it is, and again for what was on its way when it was killed.
        assert asked <= cost + len(points) * (2 + 4)
        assert asked < cost + sum(points)


CUTS = [
    ("POST /rest/api/3/search/jql", 3),
    ("POST /rest/api/3/search/jql", 1),
    ("POST /rest/api/3/changelog/bulkfetch", 0),
    ("GET /rest/api/3/issue/{issue}/comment", 0),
    ("GET /rest/api/3/worklog/updated", 2),
    ("POST /rest/api/3/worklog/list", 2),
    ("GET /rest/api/3/worklog/deleted", 0),
]
"""Endpoints, and how often each answers before Jira goes away."""


async def test_cut_off_anywhere_the_resumed_run_asks_less_than_a_new_one(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=0.5, crowd=250)) as jira:
        (tmp_path / "whole").mkdir()
        full = await reconcile(settings_for(jira.url, tmp_path / "whole"), RunOptions(parts=("activity",)))
        for number, (endpoint, answered) in enumerate(CUTS):
            folder = tmp_path / str(number)
            folder.mkdir()
            settings = settings_for(jira.url, folder)
            jira.goes_away(endpoint, answered)
            begun = jira.requests
            with pytest.raises(JiraUnavailableError):
                await reconcile(settings, RunOptions(parts=("activity",)), limits=hurried(attempts=1))
            cut = jira.requests
            jira.faults()
            resumed = await reconcile(settings, resume=True)
            assert_equal((await appended(settings)).facts, jira.site, resumed.window)
            assert jira.requests - cut < full.stats.requests.total(), endpoint
            # What the interrupted life asked after its last checkpoint, ever less at once, is counted nowhere.
            assert 0 <= jira.requests - begun - resumed.stats.requests.total() <= 20, endpoint


async def test_a_log_that_fails_anywhere_costs_no_fact(tmp_path: Path) -> None:
    """What the checkpoint says is done is on the log, at whichever append the run ends.

    Worklogs that came with their issues do not come so again, and have to be known not to be on the log.
    """
    site = config(people=6, acts_per_day=2.0, crowd=120, hard_cases=False)
    async with jira_site(site, embedded_worklogs=1) as jira:
        for first in itertools.count(1):
            folder = tmp_path / str(first)
            folder.mkdir()
            settings = settings_for(jira.url, folder)
            failures = Failures(first)
            try:
                await reconcile(settings, RunOptions(parts=("activity",)), failures=failures)
            except LogUnavailableError:
                jira.faults(embedded_worklogs=0)
                resumed = await reconcile(settings, resume=True)
                assert_equal((await appended(settings)).facts, jira.site, resumed.window)
                jira.faults(embedded_worklogs=1)
            else:
                break
        assert failures.calls == first - 1 >= 4


async def test_nothing_waits_for_the_log_when_the_checkpoint_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishers, waiting = list[FactPublisher](), list[int]()
    begin, keep = FactPublisher.__init__, RunState.keep

    def begun(self: FactPublisher, *arguments: Any) -> None:
        begin(self, *arguments)
        publishers.append(self)

    def kept(self: RunState, checkpoint: Checkpoint) -> None:
        waiting.extend(len(one._waiting) for one in publishers)
        keep(self, checkpoint)

    monkeypatch.setattr(FactPublisher, "__init__", begun)
    monkeypatch.setattr(RunState, "keep", kept)
    async with jira_site(config(people=5, acts_per_day=1.0, crowd=120, hard_cases=False)) as jira:
        run = await reconcile(settings_for(jira.url, tmp_path), RunOptions(parts=("activity",)))
    assert run.found.facts
    assert len(waiting) > 4
    assert set(waiting) == {0}


async def test_a_search_that_jira_no_longer_knows_begins_anew(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0, crowd=400)) as jira:
        settings = settings_for(jira.url, tmp_path)
        jira.goes_away("POST /rest/api/3/search/jql", 3)
        with pytest.raises(JiraUnavailableError):
            await reconcile(settings, RunOptions(parts=("activity",)), limits=hurried(attempts=1))
        jira.faults(forced={"POST /rest/api/3/search/jql": [400]})
        run = await reconcile(settings, resume=True)
        assert_equal((await appended(settings)).facts, jira.site, run.window)


async def test_a_second_run_says_who_is_at_it(tmp_path: Path) -> None:
    folder = tmp_path / "reconcile"
    with (
        lasting_state(folder, "acme", resume=False),
        pytest.raises(AlreadyRunningError, match="another reconcile is under way"),
        lasting_state(folder, "acme", resume=False),
    ):
        raise AssertionError("not reached")
    with lasting_state(folder, "acme", resume=False), lasting_state(folder, "other", resume=False):
        pass


async def test_runs_that_overlap_do_no_harm(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=2.0)) as jira:
        settings = settings_for(jira.url, tmp_path)
        elsewhere = settings_for(jira.url, tmp_path / "b")
        (tmp_path / "b").mkdir()
        runs = await asyncio.gather(
            reconcile(settings, RunOptions(parts=("activity",))), reconcile(elsewhere, RunOptions(parts=("activity",)))
        )
        first, second = (await appended(settings)).facts, (await appended(elsewhere)).facts
        assert first.keys() == second.keys()
        assert_equal(first, jira.site, runs[0].window)


async def test_a_new_run_forgets_the_interrupted_one(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0, crowd=300)) as jira:
        settings = settings_for(jira.url, tmp_path)
        jira.goes_away("GET /rest/api/3/worklog/updated")
        with pytest.raises(JiraUnavailableError):
            await reconcile(settings, RunOptions(parts=("activity",)), limits=hurried(attempts=1))
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        assert run.resumed == 0
        assert run.issues.done


@pytest.mark.parametrize("content", [b"", b"{", b'{"site": "acme"}'])
def test_a_broken_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "acme.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="run again without --resume"):
        read_checkpoint(tmp_path / "acme.json")


async def test_a_checkpoint_of_another_version_is_told(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=0.5, hard_cases=False)) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
    run.format = 99
    (tmp_path / "acme.json").write_bytes(msgspec.json.encode(run))
    with pytest.raises(CheckpointError, match="another version's"):
        read_checkpoint(tmp_path / "acme.json")
    assert isinstance(run, Checkpoint)
