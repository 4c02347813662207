"""What an answer leaves out without a word is noticed by what Jira says elsewhere, and taken from there."""

from pathlib import Path

import httpx
import pytest

from reconcile.run import RunOptions
from reconcile.state.run_state import Move
from simulator.rest.site import Site

from ..reconcile.site import config
from .faults import CHANGELOGS, SEARCH, at, body, kept, listed, status
from .in_process import WEEK, WORLD, Fault, Outcome, endpoint_of, json_of, read_under, standing, with_body

pytestmark = pytest.mark.anyio

ACTIVITY = RunOptions(WEEK, ("activity",))
ALONE = "GET /issue/{}/changelog"
BUSY = config(people=25, acts_per_day=4.0, days=9, crowd=0, hard_cases=False)
LEFT_OUT = "POST /changelog/bulkfetch leaves some out"


def changed_often(site: Site, least: int = 2) -> list[int]:
    """Issues with so many changes in the last week, the most often changed first."""
    since = site.now() - 6 * 86_400_000  # with the index brought up to it
    found = {}
    for issue_id in site.index.rows:
        issue = site.issue_by_id(issue_id)
        found[issue_id] = sum(act.history_at > since for act in issue.histories) if issue else 0
    return sorted((one for one, number in found.items() if number >= least), key=lambda one: -found[one])


async def read_activity(fault: Fault | None, folder: Path, site: Site | None = None) -> Outcome:
    came = await read_under(fault, folder, site, ACTIVITY)
    came.assert_honest()
    return came


def leaving_out(*issues: int) -> Fault:
    return at(CHANGELOGS, listed(lambda found: [one for one in found if int(one["issueId"]) not in issues]))


def keeping(entries: slice) -> Fault:
    """Give of each issue these entries alone."""
    return at(CHANGELOGS, listed(lambda found: [kept(one, entries) for one in found]))


def without_embedded(fault: Fault) -> Fault:
    """Let no search give changelogs, as a Jira may that takes no `expand` there."""

    def change(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        if endpoint_of(request) == SEARCH and b'"expand":"changelog"' in request.content:
            issues = [{name: one[name] for name in one if name != "changelog"} for one in json_of(given)["issues"]]
            return with_body(given, {**json_of(given), "issues": issues})
        return fault(request, given)

    return change


async def test_nothing_is_asked_alone_where_nothing_is_left_out(tmp_path: Path) -> None:
    came = await read_activity(None, tmp_path)
    assert (came.code, came.lost) == (0, {})
    assert came.asked[ALONE] == 0
    assert came.asked[SEARCH] <= 6


async def test_an_issue_that_bulkfetch_leaves_out(tmp_path: Path) -> None:
    issue = changed_often(standing())[0]
    came = await read_activity(leaving_out(issue), tmp_path)
    assert came.lost == {}
    assert came.code == 3
    assert came.words.startswith("all changes could not be read: ")
    assert LEFT_OUT in came.words
    assert came.asked[ALONE] == 0


async def test_every_issue_of_many_is_left_out(tmp_path: Path) -> None:
    came = await read_activity(at(CHANGELOGS, listed(lambda _: [])), tmp_path, Site(BUSY))
    assert len(changed_often(Site(BUSY), least=1)) > 20
    assert came.lost == {}
    assert LEFT_OUT in came.words


@pytest.mark.parametrize("entries", [slice(0, 1), slice(-1, None), slice(0, -1), slice(1, None), slice(None, None, 2)])
async def test_entries_are_left_out_of_each_issue(tmp_path: Path, entries: slice) -> None:
    came = await read_activity(keeping(entries), tmp_path)
    assert came.lost == {}
    assert LEFT_OUT in came.words


async def test_the_simulators_own_way_to_leave_out(tmp_path: Path) -> None:
    site = Site(WORLD)
    site.faults.left_out, site.faults.most_entries = changed_often(site)[:3], 2
    came = await read_under(None, tmp_path, site, ACTIVITY)
    came.assert_honest()
    assert came.lost == {}
    assert LEFT_OUT in came.words


async def test_more_entries_than_a_search_embeds_are_asked_for_alone(tmp_path: Path) -> None:
    site = Site(WORLD)
    site.faults.embedded_histories = 1
    issue = changed_often(site)[0]
    came = await read_under(leaving_out(issue), tmp_path, site, ACTIVITY)
    came.assert_honest()
    assert came.lost == {}
    assert came.asked[ALONE] == 1
    assert LEFT_OUT in came.words


async def test_where_that_fails_too_the_issue_is_named(tmp_path: Path) -> None:
    site = Site(WORLD)
    site.faults.embedded_histories = 1
    issue, away = changed_often(site)[0], at(ALONE, status(403))

    def both(request: httpx.Request, given: httpx.Response) -> httpx.Response | Exception:
        return away(request, given) if endpoint_of(request) == ALONE else leaving_out(issue)(request, given)

    came = await read_under(both, tmp_path, site, ACTIVITY)
    came.assert_honest()
    assert {one.issue_id for one in came.lost.values()} == {issue}
    assert f"changes of issue {issue} could not be read: GET /issue/{{issueIdOrKey}}/changelog: " in came.words


async def test_where_no_search_gives_changes_some_are_asked_for_on_suspicion(tmp_path: Path) -> None:
    came = await read_activity(without_embedded(at(CHANGELOGS, listed(lambda _: []))), tmp_path, Site(BUSY))
    assert came.asked[ALONE] == 20
    assert LEFT_OUT in came.words
    quiet = await read_activity(without_embedded(lambda _, given: given), tmp_path / "quiet")
    assert quiet.code == 0
    assert quiet.asked[ALONE] <= 20


def test_what_has_to_be_looked_at() -> None:
    """An issue moved by its newest entry or comment does not; without any entry a comment says too little."""
    assert not Move(5, entries=1, newest=5).is_unexplained
    assert not Move(5, said=5, entries=1, newest=3).is_unexplained
    assert Move(5, said=4, entries=1, newest=4).is_unexplained
    assert Move(5, said=5).is_unexplained


async def test_a_change_made_after_the_search_is_no_fault(tmp_path: Path) -> None:
    """Of an issue that moves while it is read, another answer has more."""
    site = standing()
    issue = changed_often(site)[0]
    later = site.clock.now() + 60_000

    def more(found: dict[str, object]) -> dict[str, object]:
        for one in found["issues"]:  # type: ignore[attr-defined]  # a list
            if one["id"] == str(issue) and "changelog" in one:
                one["changelog"]["total"] += 1
                one["changelog"]["histories"].insert(
                    0, {**one["changelog"]["histories"][0], "id": "1", "created": later}
                )
        return found

    came = await read_activity(at(SEARCH, body(more)), tmp_path)
    assert (came.code, came.lost) == (0, {})
