"""kill -9 of `rollcall reconcile` around its watermark: it is never ahead of the log, and the next run has the rest."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from reconcile.state.watermark import read_watermark
from reconcile.state.window import Window
from simulator.config import DAY_MS

from .backfilling import appended
from .commandline import command, start, write_config
from .oracle import known_to_rest
from .site import NOW, JiraSite, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

SITE = config(people=6, acts_per_day=4.0, days=33, hard_cases=False)
POINTS = [
    ("before", "_activity"),
    ("before", "_confirm_account"),
    ("before", "_is_written_through"),
    ("after", "_is_written_through"),
    ("before", "replace"),
    ("after", "replace"),
    ("before", "keep_last_run"),
    ("before", "forget_run"),
    ("after", "forget_run"),
]
SHORT = [("before", "_activity"), ("after", "replace")]
OVERLAP_MS = 2 * 3_600_000
"""What moved so late before the mark is read again, so that the log may lack it."""


async def killed_at(config_file: Path, when: str, name: str) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.reconcile.kill_child", when, name, "reconcile", "--only", "activity",
        "--config", str(config_file), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert await child.wait() == -signal.SIGKILL


async def killed_after(jira: JiraSite, config_file: Path, requests: int) -> None:
    """Kill a run once it has sent so many requests, if it has not come to its end before."""
    child = await start(config_file, "reconcile", "--only", "activity")
    begun = jira.requests
    while jira.requests < begun + requests and child.returncode is None:
        await asyncio.sleep(0.001)
    if child.returncode is None:
        child.kill()
    await child.communicate()


async def assert_not_ahead(jira: JiraSite, folder: Path) -> int:
    """Assert that all that the mark says was read is on the log; return the mark."""
    mark = read_watermark(folder / "reconcile", "acme")
    if mark is None:
        return 0
    found = (await appended(settings_for(jira.url, folder))).facts
    said = min(mark.issues, mark.worklogs) - OVERLAP_MS
    assert known_to_rest(jira.site, Window(NOW - 28 * DAY_MS, said)).keys() <= found.keys()
    return mark.issues


async def assert_nothing_lost(jira: JiraSite, folder: Path, config_file: Path) -> None:
    """Run again, and assert that the log has everything."""
    done = await command(config_file, "reconcile", "--only", "activity", "--format", "json")
    assert done.code == 0, done.err
    until = jira.site.clock.now() - 10 * 60_000
    wanted = known_to_rest(jira.site, Window(NOW - 28 * DAY_MS, until)).keys()
    assert wanted <= (await appended(settings_for(jira.url, folder))).facts.keys()


async def through(jira: JiraSite, folder: Path, points: list[tuple[str, str]]) -> None:
    """Have a run killed each day, and the next one right after it."""
    config_file = write_config(jira.url, folder)
    await killed_at(config_file, *points[0])  # the first run of all, which reads all of the window
    stood = await assert_not_ahead(jira, folder)
    await assert_nothing_lost(jira, folder, config_file)
    for when, name in points:
        jira.site.clock.advance(DAY_MS)
        await killed_at(config_file, when, name)
        now = await assert_not_ahead(jira, folder)
        assert now >= stood
        await assert_nothing_lost(jira, folder, config_file)
        stood = await assert_not_ahead(jira, folder)
        assert stood > now - DAY_MS
    told = await command(config_file, "reconcile", "--only", "activity", "--dry-run", "--format", "json")
    assert told.value("facts", "new") == 0  # the warehouse has it all, too


async def test_killed_around_the_mark(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        await through(jira, tmp_path, SHORT)


@pytest.mark.soak
async def test_killed_anywhere(tmp_path: Path) -> None:
    """At every point around the mark, and after any number of requests."""
    async with jira_site(SITE, latency_ms=5, embedded_comments=1) as jira:
        await through(jira, tmp_path, POINTS)
        config_file, chance = tmp_path / "rollcall.toml", random.Random(7)
        for _ in range(20):
            jira.site.clock.advance(DAY_MS)
            for _ in range(chance.randrange(1, 4)):
                await killed_after(jira, config_file, chance.randrange(1, 20))
                await assert_not_ahead(jira, tmp_path)
            await assert_nothing_lost(jira, tmp_path, config_file)
