"""The same truth through 2 % errors and a tight burst limit; every wait is counted."""

from pathlib import Path

import pytest

from reconcile.run import RunOptions

from .backfilling import appended, reconcile
from .oracle import assert_equal
from .site import config, hurried, jira_site, settings_for

pytestmark = pytest.mark.anyio


async def test_two_percent_503_and_a_tight_burst_limit(tmp_path: Path) -> None:
    site = config(people=8, crowd=600)
    faults = {"error_share": 0.02, "burst_per_s": 40.0, "burst_size": 3, "throttle_share": 0.02}
    async with jira_site(site, **faults, embedded_comments=0) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(), limits=hurried(attempts=1_000))
        assert_equal((await appended(settings)).facts, jira.site, run.window)
        statuses = jira.site.statuses
        assert statuses[429] > 5
        assert statuses[503] > 0
        # Every refusal was a wait, and every request of ours is in the tally.
        assert run.stats.waits.total() == statuses[429] + statuses[503]
        assert run.stats.requests.total() == jira.requests
        assert run.missing == []
