"""Days that webhooks brought too little of, and those that nobody is warned about."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from simulator.config import DAY_MS
from simulator.hooks.delivery import Delivery

from .installed import installed
from .site import NOW, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")


async def test_the_day_of_the_first_webhook_is_not_warned_about(tmp_path: Path) -> None:
    """Registered at noon, they cannot have brought the morning; from the next day on a gap is one."""
    first = datetime.fromtimestamp((NOW - 8 * DAY_MS) / 1000, BERLIN).replace(hour=12, minute=0, second=0)

    def late(delivery: Delivery) -> bool:
        at = datetime.fromtimestamp(delivery.at / 1000, UTC)
        return first <= at and at.astimezone(BERLIN).date() != first.date() + timedelta(days=1)

    async with (
        jira_site(config(people=12, acts_per_day=8.0, days=20, hard_cases=False)) as jira,
        installed(settings_for(jira.url, tmp_path)) as rollcall,
    ):
        await rollcall.webhooks(jira.site, late)
        outcome = await rollcall.reconcile()
        days = await rollcall.query("SELECT day, known, share FROM webhook_coverage_daily ORDER BY day")
    found = {row["day"]: row for row in days}
    # Both days have enough acts to be judged, and too few of them came by webhook.
    for day in (first.date(), first.date() + timedelta(days=1)):
        assert found[day]["known"] >= 20
        assert found[day]["share"] < 0.8
    assert outcome.coverage is not None
    assert [day for day, _ in outcome.coverage.low] == [first.date() + timedelta(days=1)]
