"""What the search brings is held against the ids that Jira lists, and "done" is said only where they agree."""

import json
from pathlib import Path

import pytest

from ..reconcile.site import jira_site
from .answering import COUNT, IDS, SEARCH, SITE, born_lately, broken, read, read_broken
from .test_one_failing_thing import nothing_is_lost

pytestmark = pytest.mark.anyio


async def test_it_costs_one_request_for_five_thousand_issues(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        came = await read(jira, tmp_path)
        assert jira.site.requests[COUNT] == 0
        # Another one, with their changes, where issues moved and bulkfetch does not say by what.
        assert jira.site.requests[SEARCH] - came.run.issues.pages in (1, 2)
        assert came.run.issues.expected == came.run.issues.issues > 100
    nothing_is_lost(came)


@pytest.mark.parametrize("number", [2, 3])
async def test_a_search_that_skips_a_page(tmp_path: Path, number: int) -> None:
    """What it skipped is asked for by id."""
    async with jira_site(SITE) as jira:
        jira.faults(skipped_page=number)
        came = await read(jira, tmp_path)
    nothing_is_lost(came)


async def test_a_search_that_says_on_every_page_that_it_is_the_last(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(early_last=True)
        came = await read(jira, tmp_path)
        assert came.run.issues.pages > 1
    nothing_is_lost(came)


async def test_an_issue_that_is_listed_and_never_given(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        issue = born_lately(jira)
        jira.faults(unlisted=[issue])
        came = await read(jira, tmp_path)
    assert (came.code, came.words) == (3, f"issue {issue} could not be read: Jira lists it and does not give it")
    assert came.lost.keys() == {f"issue:{issue}:created"}
    came.assert_days()


async def test_issues_deleted_between_census_and_search_are_a_counted_skip(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(vanish_every=3, vanish_count=5)
        came = await read(jira, tmp_path)
        gone = set(jira.site.vanished)
    assert gone
    assert came.code == 0
    assert {one.issue_id for one in came.lost.values()} <= gone


@pytest.mark.parametrize("above", [4_999, 300, 60])
async def test_a_census_in_smaller_pages(tmp_path: Path, above: int) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(**broken(IDS, 504, above=above))
        came = await read(jira, tmp_path)
        assert came.run.issues.expected == came.run.issues.issues
    nothing_is_lost(came)


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_without_a_census_nobody_knows_whether_it_is_all(tmp_path: Path, status: int) -> None:
    came = await read_broken(tmp_path, IDS, status)
    assert came.code == 3
    told = "the list of all issues, which the search is held against, could not be read: POST /search/jql: Jira answers"
    assert came.words.startswith(f"{told} {status}")
    assert came.lost == {}
    came.assert_days()


async def test_without_census_and_search_the_rest_lands(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(broken=[broken(SEARCH, 500)["broken"][0], broken(IDS, 500)["broken"][0]])
        came = await read(jira, tmp_path)
    assert came.code == 3
    assert "what a search gives after its first 0 issues could not be read: POST /search/jql" in came.words
    assert {one.family for one in came.found.values()} == {"worklog"}
    came.assert_days()


async def test_without_a_search_comments_and_changes_are_read_by_id(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.faults(broken=broken(SEARCH, 500)["broken"])
        came = await read(jira, tmp_path)
    assert came.code == 3
    assert f"{came.run.issues.expected} issues: " in came.words
    assert all(key.startswith("issue:") and key.endswith(":created") for key in came.lost)
    came.assert_days()


async def test_the_ids_are_kept_on_disk_and_not_in_the_checkpoint(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        await read(jira, tmp_path)
    left = json.loads((tmp_path / "reconcile" / "acme.json").read_text())
    assert len(json.dumps(left["issues"])) < 600
