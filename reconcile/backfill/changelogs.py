"""Changelogs of many issues at once."""

from reconcile.backfill.nameless import named_deletions
from reconcile.backfill.work import Work
from reconcile.client.endpoints import CHANGELOGS
from reconcile.client.paging import Turned
from reconcile.facts.histories import Nameless, Told, told_by
from reconcile.facts.maker import Place
from reconcile.shapes.changelogs import HISTORY, ChangelogPage
from reconcile.shapes.each import each
from rollcall.identity import jira_id

MOST_ISSUES = 1000
_MOST_HISTORIES = 10_000
"""In one request, and on one page of its answer (OpenAPI file)."""


async def pending_changelogs(work: Work) -> None:
    """Ask for the changelogs of the pending issues, page by page, and take what they tell.

    There is no filter by date; issues without history, and those gone since, are simply absent.

    Raises:
        JiraError: Jira could not be asked, or repeats a page.
    """
    place = work.checkpoint.issues
    places = work.memory.spool.places(place.pending)
    turned = Turned(CHANGELOGS, place.changelog_token)
    while True:
        body: dict[str, object] = {"issueIdsOrKeys": [str(one) for one in place.pending], "maxResults": _MOST_HISTORIES}
        if place.changelog_token:
            body["nextPageToken"] = place.changelog_token
        page = await work.jira.read(ChangelogPage, CHANGELOGS, body=body)
        await _take(work, page, places)
        if not page.next_page_token:
            break
        place.changelog_token = turned.check(page.next_page_token)
        await work.save()
    place.pending, place.changelog_token = [], None
    await work.save()


async def _take(work: Work, page: ChangelogPage, places: dict[int, Place]) -> None:
    nameless: list[Nameless] = []
    named: list[int] = []
    deleted: list[int] = []
    for issue in page.issue_change_logs:
        issue_id = _number(issue.issue_id)
        at = places.get(issue_id, Place(issue_id))
        for history in each(HISTORY, issue.change_histories, work.unreadable):
            try:
                told = told_by(work.maker, history, at)
            except ValueError:
                work.unreadable()
                told = Told()
            nameless += told.nameless
            named += told.worklogs
            deleted += told.deleted_worklogs
            await work.outbox.add(told.facts)
    spool = work.memory.spool
    if named:
        spool.name_worklogs(named)
    if deleted:
        spool.name_deleted(deleted)
    if nameless:
        await work.outbox.add(await named_deletions(work, nameless))


def _number(value: object) -> int:
    try:
        return jira_id(value)
    except ValueError:
        return 0
