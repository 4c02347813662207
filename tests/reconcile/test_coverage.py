"""Days that webhooks brought too little of, those that nobody is warned about, and what a dry run tells of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reconcile.run import RunOptions
from simulator.config import DAY_MS
from simulator.hooks.delivery import Delivery

from .commandline import command, write_config
from .installed import installed, seven_of_ten
from .oracle import known_to_rest, told
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


async def test_a_dry_run_tells_the_coverage_that_the_run_then_writes(tmp_path: Path) -> None:
    """Nothing is known of REST's side yet: what the dry run found itself is held against the webhooks' facts."""
    async with (
        jira_site(config(people=8, acts_per_day=3.0, hard_cases=False)) as jira,
        installed(settings_for(jira.url, tmp_path)) as rollcall,
    ):
        brought = await rollcall.webhooks(jira.site, seven_of_ten)
        dry = await rollcall.reconcile(RunOptions(parts=("activity",), dry_run=True))
        run = await rollcall.reconcile(RunOptions(parts=("activity",)))
        written = await rollcall.query(
            "SELECT event_key, toDate(max(rest_occurred_at), 'Europe/Berlin') AS day FROM activity_sources "
            "GROUP BY event_key HAVING max(rest_occurred_at) IS NOT NULL ORDER BY day"
        )
    rest = known_to_rest(jira.site, dry.run.window)
    keys = {row["event_key"] for row in written}
    # The feed of deleted worklogs outlives its issues.
    assert keys >= rest.keys()
    assert {(told(jira.site)[key].family, told(jira.site)[key].action) for key in keys - rest.keys()} <= {
        ("worklog", "deleted")
    }
    days: dict[date, list[str]] = {}
    for row in written:
        days.setdefault(row["day"], []).append(row["event_key"])
    assert dry.coverage is not None
    assert dry.coverage.days == [(day, len(some), len(brought.intersection(some))) for day, some in days.items()]
    assert 0 < dry.coverage.by_webhook < dry.coverage.known
    assert dry.coverage.ever
    assert run.coverage == dry.coverage


async def test_a_dry_run_without_a_warehouse_knows_of_no_webhook(tmp_path: Path) -> None:
    async with jira_site(config(people=3, acts_per_day=1.0, hard_cases=False)) as jira:
        done = await command(write_config(jira.url, tmp_path), "reconcile", "--dry-run", "--format", "json")
    assert done.value("coverage", "facts that REST knows") == done.value("facts", "found") > 0
    assert done.value("coverage", "brought by webhooks") == done.value("coverage", "share") == 0
    by_day = [row["value"] for row in done.rows if row["part"] == "known by day"]
    assert sum(by_day) == done.value("facts", "found")
