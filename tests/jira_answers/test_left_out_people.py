"""Products and people that their lists leave out without a word: asked for by name, named, and given up in the end."""

import re
from pathlib import Path

import pytest

from reconcile.directory import snapshot
from reconcile.publisher import FactPublisher
from reconcile.run import RunOptions
from reconcile.state.window import Window
from rollcall.clock import now_ms
from rollcall.errors import LogUnavailableError

from ..reconcile.installed import Installed, installed
from ..reconcile.oracle import known_to_rest
from ..reconcile.site import NOW, JiraSite, config, jira_site, settings_for
from .changed_answers import ChangedAnswers, fails
from .test_directory_parts import DESK, standing

pytestmark = pytest.mark.anyio

ONLY = RunOptions(parts=("directory",))
SITE = config(people=40, acts_per_day=0.2, days=3, hard_cases=False)
DAY = 86_400_000
BY_KEY = "GET /applicationrole/{key}"


async def missing(rollcall: Installed) -> list[str]:
    return (await rollcall.reconcile(ONLY)).run.missing


async def test_a_product_that_its_list_leaves_out_is_read_by_its_key(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        whole = await standing(rollcall)
        jira.faults(unlisted_products=[DESK])
        [words] = await missing(rollcall)
        assert words.startswith(
            f"licenses: GET /applicationrole leaves out {DESK}, which Jira knows by its key; others"
        )
        assert await standing(rollcall) == whole
        jira.faults()
        assert await missing(rollcall) == []


async def test_a_product_that_cannot_be_asked_for_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        whole = await standing(rollcall)
        jira.faults(unlisted_products=[DESK])
        changed.now = {BY_KEY: fails(403)}
        [words, core] = await missing(rollcall)
        assert words.startswith(
            f"the licenses of {DESK}: GET /applicationrole leaves it out, and GET /applicationrole/"
        )
        assert core.startswith("the licenses of jira-core: who counts for it is known only")
        assert "; reports go on with what was read on 20" in words
        assert await standing(rollcall) == whole


async def test_a_product_that_the_site_gave_up_is_named_for_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, begun, days = ChangedAnswers(monkeypatch), now_ms(), [0.0]
    monkeypatch.setattr(snapshot, "now_ms", lambda: begun + int(days[0] * DAY))
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        whole = await standing(rollcall)
        jira.faults(unlisted_products=[DESK])
        changed.now = {BY_KEY: fails(404)}
        for days[0] in (20.0, 21.0, 26.9):  # after a pause, it counts from the first run that lacks it
            [words, _core] = await missing(rollcall)
            assert words.startswith(
                f"the licenses of {DESK}: Jira no longer names the product, which counts as given up"
            )
            assert await standing(rollcall) == whole
        days[0] = 27.1
        outcome = await rollcall.reconcile(ONLY)
        assert outcome.complete
        assert any(f"{DESK}: Jira has not named the product since" in note for note in outcome.run.notes)
        assert f"licenses:{DESK}" not in await standing(rollcall)
        days[0] = 28.0
        again = await rollcall.reconcile(ONLY)
        assert (again.complete, again.run.notes) == (True, [])


def in_no_group(jira: JiraSite) -> list[str]:
    """Active accounts that no group has."""
    directory, now = jira.site.directory, jira.site.clock.now()
    inside = {index for group in directory.groups.values() for index in group.members}
    return [one.account_id for one in directory.listed() if one.index not in inside and directory.active(one, now)]


async def test_people_in_no_group_whom_their_list_leaves_out(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        whole = await standing(rollcall)
        left_out = in_no_group(jira)[:3]
        jira.faults(unlisted_users=left_out)
        for _ in range(2):
            [words] = await missing(rollcall)
            assert words.startswith(
                "users: GET /users/search leaves out 3 accounts that Jira knows by their ids; they were"
            )
            assert await standing(rollcall) == whole
        jira.site.directory.remove_user(left_out[0])
        [words] = await missing(rollcall)
        assert "leaves out 2 accounts" in words
        jira.faults()
        assert await missing(rollcall) == []


async def test_people_who_cannot_be_asked_for_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ChangedAnswers(monkeypatch)
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        jira.faults(unlisted_users=in_no_group(jira)[:2])
        changed.now = {"GET /user/bulk": fails(403)}
        [words] = await missing(rollcall)
        assert words.startswith(
            "users: 2 accounts that were known are not listed any more, and GET /user/bulk: Jira ans"
        )


async def test_people_who_left_are_no_gap(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        assert await missing(rollcall) == []
        for account in in_no_group(jira)[:2]:
            jira.site.directory.remove_user(account)
        assert await missing(rollcall) == []
        assert await missing(rollcall) == []


async def test_who_did_something_is_named_by_the_first_run_and_taken_by_the_next(tmp_path: Path) -> None:
    site = config(people=12, acts_per_day=3.0, days=3, hard_cases=False)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        acted = {one.rest_actor for one in known_to_rest(jira.site, Window(0, NOW - DAY // 4)).values()}
        left_out = [one for one in in_no_group(jira) if one in acted][:1]
        assert left_out
        jira.faults(unlisted_users=left_out)
        [words] = (await rollcall.reconcile(RunOptions())).run.missing
        assert "leaves out 1 accounts that did something and that Jira knows by their ids; the next run" in words
        users = "SELECT account_id FROM accounts WHERE site = 'acme' AND status = 'active'"
        assert left_out[0] not in {row["account_id"] for row in await rollcall.query(users)}
        [words] = (await rollcall.reconcile(RunOptions())).run.missing
        assert "leaves out 1 accounts that Jira knows by their ids; they were taken" in words
        assert left_out[0] in {row["account_id"] for row in await rollcall.query(users)}


async def test_who_did_something_and_cannot_be_asked_for_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = ChangedAnswers(monkeypatch)
    site = config(people=12, acts_per_day=3.0, days=3, hard_cases=False)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        jira.faults(unlisted_users=in_no_group(jira))
        changed.now = {"GET /user/bulk": fails(403)}
        missing = (await rollcall.reconcile(RunOptions())).run.missing
        assert any(
            re.match("users: [0-9]+ accounts that did something are not listed, and GET /user/bulk", one)
            for one in missing
        )


async def test_who_did_something_is_asked_for_though_no_list_ever_had_them(tmp_path: Path) -> None:
    """From the second run on: the warehouse knows then who did something."""
    site = config(people=12, acts_per_day=3.0, days=3, hard_cases=False)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        actors = {row["account_id"] for row in await _actors(jira, rollcall)}
        left_out = [one for one in in_no_group(jira) if one in actors][:1]
        assert left_out
        jira.faults(unlisted_users=left_out)
        [words] = await missing(rollcall)
        assert "leaves out 1 accounts" in words


async def _actors(jira: JiraSite, rollcall: Installed) -> list[dict[str, str]]:
    """Read the site's activity, with nobody listed yet."""
    del jira
    await rollcall.reconcile(RunOptions(parts=("activity",)))
    return await rollcall.query("SELECT DISTINCT account_id FROM user_days")


@pytest.mark.parametrize("flushes", [1, 3])
async def test_an_interrupted_run_names_who_did_something_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: int
) -> None:
    """Whoever acts in what was read before the interruption, or after it."""
    site = config(people=12, acts_per_day=3.0, days=3, hard_cases=False)
    flush, done = FactPublisher.flush, 0

    async def interrupted(publisher: FactPublisher) -> None:
        nonlocal done
        await flush(publisher)
        done += 1
        if done == flushes:
            raise LogUnavailableError("the disk is full")

    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        acted = {one.rest_actor for one in known_to_rest(jira.site, Window(0, NOW - DAY // 4)).values()}
        left_out = [one for one in in_no_group(jira) if one in acted]
        jira.faults(unlisted_users=left_out)
        monkeypatch.setattr(FactPublisher, "flush", interrupted)
        with pytest.raises(LogUnavailableError):
            await rollcall.reconcile(RunOptions())
        outcome = await rollcall.reconcile(RunOptions(resume=True))
        assert outcome.run.resumed
        [words] = outcome.run.missing
        assert f"leaves out {len(left_out)} accounts that did something" in words


async def test_a_run_that_is_gone_on_with_says_when_it_cannot_ask_who_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, flush = ChangedAnswers(monkeypatch), FactPublisher.flush

    async def interrupted(publisher: FactPublisher) -> None:
        await flush(publisher)
        raise LogUnavailableError("the disk is full")

    async with jira_site(SITE) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        with monkeypatch.context() as patch:
            patch.setattr(FactPublisher, "flush", interrupted)
            with pytest.raises(LogUnavailableError):
                await rollcall.reconcile(RunOptions())
        changed.now = {"GET /users/search": fails(403)}
        [words] = (await rollcall.reconcile(RunOptions(resume=True))).run.missing
        assert words.startswith("users: whether acts are by accounts that the list leaves out: GET /users/search: Jira")
