"""Which runs count as a day's, and that what is remembered of them is no danger."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconcile.run import RunOptions
from reconcile.state.checkpoint import Checkpoint, CheckpointError, LastRun, keep_last_run, last_run_of, read_last_run
from reconcile.state.window import Window, WindowRequest

from .backfilling import reconcile
from .installed import installed
from .site import config, jira_site, settings_for

pytestmark = pytest.mark.anyio

LONG_AGO, LATELY = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("plan", "counts"),
    [
        (RunOptions(), True),
        (RunOptions(WindowRequest(days=30)), True),
        (RunOptions(WindowRequest(days=31)), True),
        (RunOptions(WindowRequest(since=LONG_AGO)), True),
        (RunOptions(WindowRequest(days=29)), False),
        (RunOptions(WindowRequest(since=LATELY)), False),
        (RunOptions(WindowRequest(since=LONG_AGO, until=LATELY)), False),
        (RunOptions(parts=("activity",)), False),
        (RunOptions(parts=("directory",)), False),
    ],
)
async def test_what_counts_as_a_days_run(tmp_path: Path, plan: RunOptions, counts: bool) -> None:
    async with jira_site(config(people=3, acts_per_day=0.5, days=5, hard_cases=False)) as jira:
        run = await reconcile(settings_for(jira.url, tmp_path), plan)
    last = last_run_of(run, None)
    assert (last is not None) == counts
    assert last is None or last == remembered(run)


def remembered(run: Checkpoint) -> LastRun:
    complete = 0 if run.missing else run.started_at
    return LastRun(run.started_at, unfinished=False, missing=run.missing, complete=complete)


def test_the_last_run_that_lacked_nothing_stays_known() -> None:
    window = Window(since=0, until=1)
    run = Checkpoint(site="acme", run_id="r", started_at=9, window=window, parts=["directory", "activity"], whole=True)
    whole = last_run_of(run, LastRun(3, unfinished=True, missing=["roles"], complete=2))
    assert whole == LastRun(9, unfinished=False, complete=9)
    run.missing = ["roles"]
    lacking = last_run_of(run, LastRun(3, unfinished=True, missing=["roles"], complete=2))
    assert lacking == LastRun(9, unfinished=False, missing=["roles"], complete=2)
    assert last_run_of(run, None) == LastRun(9, unfinished=False, missing=["roles"])


@pytest.mark.parametrize("content", [b"", b"[]", b'{"began": "then"}', b"\xff"])
def test_what_cannot_be_read_is_read_from_jira_once_more(tmp_path: Path, content: bytes) -> None:
    keep_last_run(tmp_path, "acme", LastRun(5, unfinished=True))
    assert read_last_run(tmp_path, "acme") == LastRun(5, unfinished=True)
    assert read_last_run(tmp_path, "other") is None
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert read_last_run(tmp_path, "acme") is None


async def test_a_run_is_noted_before_its_checkpoint_goes(tmp_path: Path) -> None:
    """Where the note cannot be written, what can be gone on with is still there."""
    site = config(people=3, acts_per_day=0.5, days=5, hard_cases=False)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        folder = tmp_path / "reconcile"
        (folder / "acme.last").mkdir(parents=True)
        with pytest.raises(CheckpointError, match=r"acme\.last"):
            await rollcall.reconcile()
        assert (folder / "acme.json").exists()
        (folder / "acme.last").rmdir()
        outcome = await rollcall.reconcile(RunOptions(resume=True))
        assert outcome.run.resumed == 1
        assert read_last_run(folder, "acme") == remembered(outcome.run)
        assert not (folder / "acme.json").exists()
