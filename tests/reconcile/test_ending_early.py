"""A run by hand that fails or is interrupted: what it had read is seen, and it is said how to go on."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from reconcile.state.window import Window
from rollcall.runtime import opened_for_reading
from rollcall.warehouse import Row

from .commandline import Done, command, process, start, write_config
from .oracle import known_to_rest
from .site import JiraSite, config, jira_site, settings_for
from .test_command import moment

pytestmark = pytest.mark.anyio

SITE = config(people=6, acts_per_day=3.0, days=32, hard_cases=False)
PATIENCE = 180.0
"""Seconds for a process on a busy machine."""
WORKLOGS = "GET /rest/api/3/worklog/updated"


def patient(url: str, folder: Path, **reconcile: Any) -> Path:
    """Settings with which a failure is soon one, unless others are given."""
    path = write_config(url, folder)
    chosen = {"attempts": 1, **reconcile}
    lines = "".join(f"{name} = {value}\n" for name, value in chosen.items())
    path.write_text(path.read_text().replace("[reconcile]\n", f"[reconcile]\n{lines}"))
    return path


async def rows_of(jira: JiraSite, folder: Path, sql: str) -> list[Row]:
    async with opened_for_reading(settings_for(jira.url, folder), "test") as warehouse:
        return await warehouse.query(sql)


async def test_a_failed_run_shows_what_it_had_read_and_names_resume(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(WORKLOGS)
        path = patient(jira.url, tmp_path)
        failed = await command(path, "reconcile", "--format", "json")
        assert (failed.code, failed.out) == (1, "")
        assert (
            f"in the warehouse, and their days are rebuilt; `rollcall reconcile --site acme --resume --config {path}`"
            in failed.err
        )
        seen = await rows_of(jira, tmp_path, "SELECT DISTINCT event_key FROM activity")
        days = await rows_of(jira, tmp_path, "SELECT count() AS n FROM user_days")
        users = await rows_of(jira, tmp_path, "SELECT count() AS n FROM user_usage_30d WHERE name != ''")
        jira.faults()
        resumed = await command(path, "reconcile", "--resume", "--format", "json")
        assert resumed.code == 0, resumed.err
        whole = await rows_of(jira, tmp_path, "SELECT DISTINCT event_key FROM activity")
    told = int(failed.err.split("acme: ")[-1].split(" facts")[0].replace(",", ""))
    assert len(seen) == told > 100
    assert days[0]["n"] > 0
    assert users[0]["n"] >= 6
    assert {row["event_key"] for row in whole} > {row["event_key"] for row in seen}


async def test_a_run_that_never_began_names_nothing_to_go_on_with(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        refused = await command(write_config(jira.url, tmp_path, token="wrong-token-0123"), "reconcile")
    assert refused.code == 1
    assert "--resume" not in refused.err
    assert "in the warehouse" not in refused.err


async def test_an_unexpected_failure_is_a_sentence_and_shows_what_it_had_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("text of an issue")

    monkeypatch.setattr("reconcile.backfill.activity.touched_worklogs", broken)
    async with jira_site(SITE) as jira:
        failed = await command(patient(jira.url, tmp_path), "reconcile")
        seen = await rows_of(jira, tmp_path, "SELECT count() AS n FROM activity")
    assert failed.code == 1
    assert "ended unexpectedly (KeyError in reconcile.backfill.activity:" in failed.err
    assert "text of an issue" not in failed.err + failed.out
    assert seen[0]["n"] > 100


async def test_resume_with_nothing_to_resume_says_so_and_asks_nothing(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        path = patient(jira.url, tmp_path)
        nothing = await command(path, "reconcile", "--resume", "--format", "json")
        assert (nothing.code, nothing.out) == (2, "")
        assert "acme: there is no interrupted run to go on with" in nothing.err
        assert jira.requests == 0


async def test_resume_of_several_sites_goes_on_with_those_that_have_something(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(WORKLOGS)
        path = patient(jira.url, tmp_path)
        general, _, site = path.read_text().partition("[sites.acme]")
        path.write_text(f"{general}[sites.acme]{site}[sites.other]{site}")
        assert (await command(path, "reconcile", "--site", "other", "--only", "activity")).code == 1
        jira.faults()
        resumed = await command(path, "reconcile", "--resume", "--format", "json")
    assert resumed.code == 0, resumed.err
    assert "acme: there is no interrupted run" in resumed.err
    assert {row["site"] for row in resumed.rows} == {"other"}


async def interrupted(jira: JiraSite, path: Path, *, twice: bool = False) -> Done:
    """Start a run and press Ctrl-C while it waits for the worklogs, maybe once more while it writes."""
    running = await start(path, "reconcile", "--format", "json")
    assert running.stderr
    early = await asyncio.wait_for(running.stderr.readuntil(b"waiting for Jira"), PATIENCE)
    assert WORKLOGS in jira.site.requests
    running.send_signal(signal.SIGINT)
    if twice:
        early += await asyncio.wait_for(running.stderr.readuntil(b"Ctrl-C again"), PATIENCE)
        running.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(running.communicate(), PATIENCE)
    assert running.returncode is not None
    return Done(running.returncode, out.decode(), (early + err).decode())


async def test_ctrl_c_shows_what_it_had_read_and_says_how_to_go_on(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(WORKLOGS)
        path = patient(jira.url, tmp_path, attempts=9, backoff_first=30)
        ended = await interrupted(jira, path)
        assert ended.code == 130, ended.err
        assert "Traceback" not in ended.err
        assert "in the warehouse, and their days are rebuilt; `rollcall reconcile --site acme --resume" in ended.err
        told = int(ended.err.split(" facts")[0].rpartition(" ")[2].replace(",", ""))
        seen = await rows_of(jira, tmp_path, "SELECT count(DISTINCT event_key) AS n FROM activity")
        assert seen[0]["n"] == told > 100
        jira.faults()
        resumed = await process(path, "reconcile", "--resume", "--format", "json")
        assert resumed.code == 0, resumed.err
        whole = await rows_of(jira, tmp_path, "SELECT DISTINCT event_key FROM activity")
    window = Window(moment(resumed.value("run", "since")), moment(resumed.value("run", "until")))
    assert {row["event_key"] for row in whole} >= known_to_rest(jira.site, window).keys()


async def test_ctrl_c_twice_leaves_it_on_the_log_and_says_that(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(WORKLOGS)
        path = patient(jira.url, tmp_path, attempts=9, backoff_first=30)
        ended = await interrupted(jira, path, twice=True)
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert "on the log, not all in the warehouse yet; `rollcall reconcile --site acme --resume" in ended.err
