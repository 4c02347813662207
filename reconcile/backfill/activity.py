"""The backfill: issues with comments and changelogs, then worklogs, then what was deleted."""

import msgspec

from reconcile.backfill.changelogs import MOST_ISSUES, pending_changelogs
from reconcile.backfill.deletions import deleted_worklogs
from reconcile.backfill.query import candidates
from reconcile.backfill.search import PAGE, search_page
from reconcile.backfill.work import Work
from reconcile.backfill.worklogs import touched_worklogs
from reconcile.client.endpoints import COUNT, SEARCH
from reconcile.client.errors import JiraRefusedError
from reconcile.client.paging import Turned
from reconcile.resume.checkpoint import IssuesPlace
from rollcall.logs import logger

log = logger(__name__)

_UNKNOWN_TOKEN = 400
_SURELY_TOO_FEW = 0.5
_WORTH_ASKING = 200
"""Jira's own count is an estimate; only a large gap means that a search lost something."""


class _Count(msgspec.Struct):
    count: int = 0


async def backfill(work: Work, now: int, zone: str | None) -> None:
    """Find what happened in the window and put it on the log; done steps and pages are not asked again.

    Args:
        work: What to work with.
        now: Jira's present, epoch ms.
        zone: The account's time zone.

    Raises:
        JiraError: Jira could not be asked; the checkpoint tells how far it came.
        LogUnavailableError: The log takes nothing.
    """
    if not work.checkpoint.issues.done:
        await _issues(work, now, zone)
    if not work.checkpoint.worklogs.done:
        await touched_worklogs(work)
    if not work.checkpoint.deletions.done:
        await deleted_worklogs(work)


async def _issues(work: Work, now: int, zone: str | None) -> None:
    place = work.checkpoint.issues
    if not place.jql:
        await _begin(work, place, now, zone)
        await work.save()
    resumed = place.token
    turned = Turned(SEARCH, resumed)
    while not place.searched or place.pending:
        if place.searched or len(place.pending) + PAGE > MOST_ISSUES:
            await pending_changelogs(work)
            continue
        try:
            await search_page(work, turned)
        except JiraRefusedError as error:
            if not (resumed and place.token == resumed and error.status == _UNKNOWN_TOKEN):
                raise
            log.info("Jira no longer knows the interrupted search; it begins anew", site=work.checkpoint.site)
            await _begin(work, place, now, zone)
            place.token, place.pages, place.issues, resumed = None, 0, 0, None
        await work.save()
        work.progress.at("issues", place.issues, place.expected or None)
    _compare(work, place)
    place.done = True
    await work.save()
    work.progress.end("issues", place.issues)


async def _begin(work: Work, place: IssuesPlace, now: int, zone: str | None) -> None:
    place.jql = candidates(work.maker.window.since - work.overlap_ms, now, zone)
    bounded = place.jql.partition(" ORDER BY ")[0]
    place.expected = (await work.jira.read(_Count, COUNT, body={"jql": bounded})).count


def _compare(work: Work, place: IssuesPlace) -> None:
    """Notice a search that came back with far too little, which looks like success otherwise."""
    if place.expected >= _WORTH_ASKING and place.issues < place.expected * _SURELY_TOO_FEW:
        work.checkpoint.missing.append(
            f"the search found {place.issues} issues where Jira counts about {place.expected}; run it again later, "
            "and look whether the account sees all projects"
        )
