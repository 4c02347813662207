"""One thing that Jira never gives costs itself alone: it is named, everything else lands, and the run goes on."""

from pathlib import Path

import pytest

from reconcile.client.jira_errors import JiraError
from simulator.life.truth import Truth

from ..reconcile.site import hurried, jira_site
from .answering import (
    CHANGELOGS,
    COMMENTS,
    COUNT,
    DELETED,
    IDS,
    MYSELF,
    SEARCH,
    SERVER_INFO,
    SITE,
    UPDATED,
    WORKLOGS,
    Came,
    a_worklog,
    born_lately,
    broken,
    busiest,
    most_commented,
    read,
    read_broken,
    read_without,
)

pytestmark = pytest.mark.anyio


def is_change(one: Truth) -> bool:
    """Whether a changelog tells it."""
    return (one.family == "history" and one.action != "created") or one.action == "deleted"


def nothing_is_lost(came: Came) -> None:
    assert came.lost == {}
    assert (came.code, came.words) == (0, "")
    came.assert_days()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 502, 503, 504])
async def test_the_comments_of_one_issue(tmp_path: Path, status: int) -> None:
    came, issue = await read_without(tmp_path, COMMENTS, status, most_commented)
    assert came.code == 3
    assert came.words.startswith(f"comments of issue {issue} could not be read: GET /issue/{{issueIdOrKey}}/comment: ")
    assert f"Jira answers {status}" in came.words
    assert "--resume" not in came.words
    assert came.lost
    assert all((one.issue_id, one.family) == (issue, "comment") for one in came.lost.values())
    came.assert_days()


async def test_a_401_for_one_issue_alone(tmp_path: Path) -> None:
    """The account is asked for: it is as good as before, so the refusal is one of that issue."""
    came, issue = await read_without(tmp_path, COMMENTS, 401, most_commented)
    assert f"comments of issue {issue} could not be read" in came.words
    assert {one.issue_id for one in came.lost.values()} == {issue}


async def test_the_comments_of_every_issue(tmp_path: Path) -> None:
    came = await read_broken(tmp_path, COMMENTS, 403)
    assert came.code == 3
    assert ", … could not be read: GET /issue/{issueIdOrKey}/comment: Jira answers 403" in came.words
    assert {one.family for one in came.lost.values()} == {"comment"}
    assert len(came.words) < 500
    came.assert_days()


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503, 504])
async def test_an_issue_that_no_search_gives(tmp_path: Path, status: int) -> None:
    """Its creation is lost; its comments and changes are there, and all other issues."""
    came, issue = await read_without(tmp_path, SEARCH, status, born_lately)
    assert came.code == 3
    assert came.words.startswith(f"issue {issue} could not be read: POST /search/jql: Jira answers {status}")
    assert came.lost.keys() == {f"issue:{issue}:created"}
    came.assert_days()


@pytest.mark.parametrize(("status", "above"), [(500, 50), (504, 49), (500, 10), (504, 3), (500, 1)])
async def test_a_search_that_answers_for_fewer_issues(tmp_path: Path, status: int, above: int) -> None:
    came = await read_broken(tmp_path, SEARCH, status, above=above)
    nothing_is_lost(came)


@pytest.mark.parametrize(("status", "above"), [(400, 10), (413, 500), (500, 500), (504, 10)])
async def test_changelogs_for_fewer_issues(tmp_path: Path, status: int, above: int) -> None:
    came = await read_broken(tmp_path, CHANGELOGS, status, above=above)
    nothing_is_lost(came)


async def test_a_request_for_too_many_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    """Each size is tried in earnest once; of 124 pauses, of minutes together, a dozen are left."""
    async with jira_site(SITE) as jira:
        jira.faults(**broken(CHANGELOGS, 504, above=10))
        came = await read(jira, tmp_path)
    nothing_is_lost(came)
    assert came.run.stats.waits.total() <= 14


@pytest.mark.parametrize("status", [400, 403, 404, 500, 504])
async def test_the_changelog_of_one_issue(tmp_path: Path, status: int) -> None:
    came, issue = await read_without(tmp_path, CHANGELOGS, status, most_commented)
    assert came.code == 3
    assert came.words.startswith(f"changes of issue {issue} could not be read: POST /changelog/bulkfetch: ")
    assert came.lost
    assert all(one.issue_id == issue and is_change(one) for one in came.lost.values())
    came.assert_days()


@pytest.mark.parametrize("status", [403, 500])
async def test_changelogs_of_no_issue_at_all(tmp_path: Path, status: int) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(**broken(CHANGELOGS, status))
        came = await read(jira, tmp_path)
        assert jira.site.requests[CHANGELOGS] < 200
    assert came.code == 3
    assert f"changes of {came.run.issues.issues} issues: " in came.words
    assert f", … could not be read: POST /changelog/bulkfetch: Jira answers {status}" in came.words
    assert all(is_change(one) for one in came.lost.values())
    came.assert_days()


@pytest.mark.parametrize("status", [400, 404, 500, 504])
async def test_one_worklog(tmp_path: Path, status: int) -> None:
    came, worklog = await read_without(tmp_path, WORKLOGS, status, a_worklog)
    assert came.code == 3
    assert came.words.startswith(f"worklog {worklog} could not be read: POST /worklog/list: Jira answers {status}")
    assert came.lost
    assert all(key.startswith(f"worklog:{worklog}:") for key in came.lost)
    came.assert_days()


@pytest.mark.parametrize("above", [100, 3])
async def test_worklogs_fewer_at_a_time(tmp_path: Path, above: int) -> None:
    came = await read_broken(tmp_path, WORKLOGS, 500, above=above)
    nothing_is_lost(came)


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_no_worklog_at_all(tmp_path: Path, status: int) -> None:
    came = await read_broken(tmp_path, WORKLOGS, status)
    assert came.code == 3
    assert "worklogs: " in came.words
    assert {one.family for one in came.lost.values()} == {"worklog"}
    came.assert_days()


@pytest.mark.parametrize(("feed", "name"), [(UPDATED, "touched"), (DELETED, "deleted")])
@pytest.mark.parametrize("status", [400, 403, 404, 410, 500])
async def test_a_feed_that_is_refused(tmp_path: Path, status: int, feed: str, name: str) -> None:
    """Time tracking may be off."""
    came = await read_broken(tmp_path, feed, status)
    assert came.code == 3
    assert came.words.startswith(f"the feed of {name} worklogs from 2026-10-1")
    assert f"UTC on could not be read: {feed.replace('/rest/api/3', '')}: Jira answers {status}" in came.words
    assert all(one.family == "worklog" for one in came.lost.values())
    came.assert_days()


@pytest.mark.parametrize("endpoint", [SERVER_INFO, COUNT])
@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_what_only_helps_is_never_a_condition(tmp_path: Path, status: int, endpoint: str) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(**broken(endpoint, status))
        # Without Jira's word for it the present is this machine's, and the simulated one lies before it.
        came = await read(jira, tmp_path)
    if endpoint == COUNT:
        nothing_is_lost(came)
    assert (came.code, came.lost) == (0, {})


@pytest.mark.parametrize("status", [500, 503])
async def test_an_account_that_does_not_say_who_it_is(tmp_path: Path, status: int) -> None:
    came = await read_broken(tmp_path, MYSELF, status)
    assert came.code == 3
    assert came.words.startswith("who the account is, and so whether Jira gives it everything: GET /myself: Jira ans")
    assert came.lost == {}


@pytest.mark.parametrize("status", [401, 503])
@pytest.mark.parametrize("endpoint", [SEARCH, COMMENTS, CHANGELOGS, UPDATED, WORKLOGS, DELETED])
async def test_an_account_that_is_refused_or_a_site_that_is_away_ends_the_run(
    tmp_path: Path, endpoint: str, status: int
) -> None:
    async with jira_site(SITE) as jira:
        forced = {endpoint: [status] * 2_000, MYSELF: [200] + [status] * 100}
        jira.faults(forced=forced, embedded_comments=1, embedded_worklogs=0)
        with pytest.raises(JiraError, match=f"Jira answers {status}"):
            await read(jira, tmp_path, limits=hurried(attempts=4))
        assert (tmp_path / "reconcile" / "acme.json").exists()
        jira.faults()
        came = await read(jira, tmp_path, resume=True)
    assert came.run.resumed == 1
    nothing_is_lost(came)


async def test_an_outage_that_ends_costs_nothing(tmp_path: Path) -> None:
    """A request that was cut down to one thing meanwhile is made again once Jira is back."""
    async with jira_site(SITE) as jira:
        away = [503] * 3
        jira.faults(forced={CHANGELOGS: away * 10, MYSELF: [200, *away]})
        came = await read(jira, tmp_path)
    assert came.lost == {} or came.code == 3
    came.assert_days()


async def test_several_faults_at_once(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        issue, worklog = busiest(jira, "comment"), a_worklog(jira)
        faults = [
            broken(COMMENTS, 403, (issue,)),
            broken(CHANGELOGS, 504, (issue,)),
            broken(WORKLOGS, 500, (worklog,)),
            broken(SEARCH, 500, (issue,)),
            broken(DELETED, 403),
            broken(IDS, 504, above=100),
        ]
        jira.faults(broken=[one["broken"][0] for one in faults], embedded_comments=1)
        came = await read(jira, tmp_path)
    for told in (
        f"comments of issue {issue}",
        f"changes of issue {issue}",
        f"worklog {worklog}",
        "the feed of deleted",
        f"issue {issue} could",
    ):
        assert told in came.words
    assert all(one.issue_id == issue or one.family == "worklog" for one in came.lost.values())
    came.assert_days()
