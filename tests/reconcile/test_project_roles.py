"""Project roles cost a request for each role of each project: they are read once a week, and shown every day."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconcile.run import RunOptions, RunOutcome
from simulator.config import DAY_MS

from ..jira_answers.changed_answers import ChangedAnswers, fails
from .installed import Installed, installed
from .site import JiraSite, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

SITE = config(people=12, acts_per_day=0.5, days=5, hard_cases=False)
ROLE = "GET /rest/api/3/project/{project}/role/{id}"
ROLES = "GET /rest/api/3/project/{project}/role"


async def shown(rollcall: Installed) -> set[tuple[str, str]]:
    """Who holds which project role as the reports have it."""
    rows = await rollcall.query("SELECT account_id, arrayJoin(roles) AS role FROM user_usage_30d")
    return {(row["account_id"], row["role"]) for row in rows}


def asked(jira: JiraSite) -> int:
    return jira.site.requests[ROLE] + jira.site.requests[ROLES]


async def a_day(rollcall: Installed, jira: JiraSite, **options: Any) -> RunOutcome:
    jira.site.clock.advance(DAY_MS)
    return await rollcall.reconcile(RunOptions(**options))


async def test_they_are_read_weekly_and_stay_as_they_were_read(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert (await rollcall.reconcile()).complete
        weekly, before = asked(jira), await shown(rollcall)
        assert weekly > 3
        for _ in range(6):
            run = await a_day(rollcall, jira)
            assert run.run.missing == []
            assert any(note.startswith("project roles are as read on ") for note in run.run.notes)
        assert asked(jira) == weekly
        assert await shown(rollcall) == before
        seventh = await a_day(rollcall, jira)
        assert asked(jira) == 2 * weekly
        assert seventh.run.notes == []
        assert await shown(rollcall) == before


async def test_they_are_read_on_request(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        await rollcall.reconcile()
        weekly = asked(jira)
        await a_day(rollcall, jira, whole=True)
        assert asked(jira) == 2 * weekly
        await a_day(rollcall, jira, parts=("directory",))
        assert asked(jira) == 3 * weekly
        await a_day(rollcall, jira)
        assert asked(jira) == 3 * weekly


@pytest.mark.parametrize("endpoint", ["GET /project/{project}/role", "GET /project/search"])
async def test_those_that_could_not_be_read_are_asked_for_the_day_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        where = {"project": jira.site.projects[0].key} if "{" in endpoint else {}
        changed.now[endpoint] = fails(500, **where)
        for _ in range(2):
            run = await a_day(rollcall, jira)
            assert "roles" in "".join(run.run.missing)
        changed.now.clear()
        before = asked(jira)
        assert (await a_day(rollcall, jira)).run.missing == []
        assert asked(jira) > before
        before = asked(jira)
        await a_day(rollcall, jira)
        assert asked(jira) == before


async def test_what_it_will_cost_is_told_before(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        with capture_logs() as lines:
            await rollcall.reconcile()
        [told] = [line for line in lines if line["event"].startswith("project roles are read now")]
        steps = [line["event"] for line in lines]
        assert told["projects"] == len(jira.site.projects)
        assert told["requests"] == asked(jira)
        assert told["minutes"] == 1
        assert steps.index(told["event"]) < len(steps) - 1


async def test_a_warehouse_that_has_none_gets_them(tmp_path: Path) -> None:
    """Whatever is remembered beside the checkpoints: the folder may be another warehouse's."""
    async with jira_site(SITE) as jira:
        one, other = tmp_path / "one", tmp_path / "other"
        for folder in (one, other):
            folder.mkdir()
        async with installed(settings_for(jira.url, one)) as rollcall:
            await rollcall.reconcile()
            before = await shown(rollcall)
        given = settings_for(jira.url, other, reconcile={"state_dir": str(one / "reconcile")})
        async with installed(given) as rollcall:
            await a_day(rollcall, jira)
            assert await shown(rollcall) == before


async def test_switched_off_and_on_again_they_are_read(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        for number, wanted in enumerate((True, False, True)):
            given = settings_for(jira.url, tmp_path, reconcile={"project_roles": wanted})
            async with installed(given) as rollcall:
                before = asked(jira)
                await a_day(rollcall, jira, parts=("directory",) if number == 1 else ("directory", "activity"))
                assert (asked(jira) > before) == wanted
