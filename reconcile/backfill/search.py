"""Candidate issues, page by page: their creations and their comments."""

from collections.abc import Iterator

import msgspec

from reconcile.backfill.comments import is_cut, other_comments
from reconcile.backfill.work import GONE, Work
from reconcile.client.endpoints import SEARCH
from reconcile.client.errors import NotThereError
from reconcile.client.paging import Turned
from reconcile.client.together import together
from reconcile.facts.entries import entry_facts
from reconcile.facts.issues import creation, place_of
from reconcile.facts.maker import Place
from reconcile.shapes.each import each
from reconcile.shapes.entries import COMMENT
from reconcile.shapes.issues import ISSUE, Issue, SearchPage
from rollcall.records import Activity

PAGE = 100
"""Issues a page with any field but id and key (OpenAPI file)."""

_FIELDS = ["comment", "creator", "created", "project"]


async def search_page(work: Work, turned: Turned) -> None:
    """Ask for the next page of candidates and take what it tells.

    Raises:
        JiraError: Jira could not be asked, or repeats a page.
    """
    place = work.checkpoint.issues
    body: dict[str, object] = {"jql": place.jql, "fields": _FIELDS, "maxResults": PAGE}
    if place.token:
        body["nextPageToken"] = place.token
    page = await work.jira.read(SearchPage, SEARCH, body=body)
    issues = list(each(ISSUE, page.issues, work.unreadable))
    places = [found for issue in issues if (found := place_of(issue)).issue_id]
    work.skip("issues without an id", len(issues) - len(places))
    work.memory.spool.put_issues(places)
    for issue in issues:
        await work.outbox.add(_embedded(work, issue))
    await together(_rest(work, issue) for issue in issues if is_cut(issue.fields.comment))
    place.token = page.next_page_token or None
    place.searched = page.is_last is True or place.token is None
    if place.token and not place.searched:
        turned.check(place.token)
    place.pending = [*place.pending, *(found.issue_id for found in places)]
    place.issues += len(places)
    place.pages += 1


def _embedded(work: Work, issue: Issue) -> Iterator[Activity]:
    at = place_of(issue)
    try:
        if fact := creation(work.maker, issue, at):
            yield fact
    except ValueError:
        work.unreadable()
    if issue.fields.comment:
        yield from _comment_facts(work, issue.fields.comment.comments, at)


async def _rest(work: Work, issue: Issue) -> None:
    at = place_of(issue)
    try:
        async for comments in other_comments(work.jira, at.issue_id, issue.fields.comment):
            await work.outbox.add(_comment_facts(work, comments, at))
    except NotThereError:
        work.skip(f"issues {GONE}")


def _comment_facts(work: Work, comments: list[msgspec.Raw], at: Place) -> Iterator[Activity]:
    for comment in each(COMMENT, comments, work.unreadable):
        try:
            yield from entry_facts(work.maker, "comment", comment, at)
        except ValueError:
            work.unreadable()
