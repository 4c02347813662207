"""Worklogs of the whole site: the feed of what was touched, then the worklogs themselves by id.

The feed's page holds 1000 ids and goes on by time. More than a page may share one millisecond (an import), and it is
not clear whether ``since`` includes its own millisecond (the OpenAPI file says "after", its example says otherwise). So
each page goes back by one millisecond, and worklogs that changelog entries name but the feed did not bring are asked
for as well.
"""

import msgspec

from reconcile.backfill.work import GONE, Work
from reconcile.client.endpoints import WORKLOGS, WORKLOGS_UPDATED
from reconcile.client.errors import PagingError
from reconcile.client.paging import MOST_PAGES, next_since
from reconcile.facts.entries import entry_facts
from reconcile.facts.maker import Place, number_or_zero
from reconcile.shapes.each import each
from reconcile.shapes.entries import WORKLOG, Touched, Worklog, WorklogFeed
from rollcall.identity import jira_id
from rollcall.jira_time import parse_jira_time

_MOST = 1000
"""Ids in one request (OpenAPI file)."""


async def touched_worklogs(work: Work) -> None:
    """Take all worklogs touched since the window's beginning.

    Raises:
        JiraError: Jira could not be asked, or its feed does not end.
    """
    place = work.checkpoint.worklogs
    since = place.since if place.since is not None else work.maker.window.since - work.overlap_ms
    done = 0
    for _ in range(MOST_PAGES):
        if place.read:
            break
        page = await work.jira.read(WorklogFeed, WORKLOGS_UPDATED, query={"since": since})
        entries = read_feed(work, page.values)
        ids = [number for number, at in entries if at >= work.maker.window.since]
        done += await _ask(work, work.memory.spool.not_seen(ids))
        since, place.read = following(page, since, max((at for _, at in entries), default=0))
        place.since = since
        await work.save()
        work.progress.at("worklogs", done)
    else:
        raise PagingError(f"{WORKLOGS_UPDATED.name}: the feed does not end")
    while named := work.memory.spool.unseen_worklogs(_MOST):
        done += await _ask(work, named)
        await work.save()
    place.done = True
    await work.save()
    work.progress.end("worklogs", done)


def read_feed(work: Work, values: list[Touched]) -> list[tuple[int, int]]:
    """Return id and time (epoch ms) of the feed's entries."""
    found = []
    for value in values:
        try:
            found.append((jira_id(value.worklog_id), parse_jira_time(value.updated_time)))
        except ValueError:
            work.unreadable()
    return found


def following(page: WorklogFeed, since: int, latest: int) -> tuple[int, bool]:
    """Return the ``since`` of the next page, and whether this was the last one.

    Always later than before, so that the feed goes on even where one millisecond fills pages.

    Args:
        page: The page.
        since: What it was asked for with, epoch ms.
        latest: The latest time on it, epoch ms; 0 for none.

    Raises:
        PagingError: The page is older than what was asked for, and said not to be the last: a loop.
    """
    if page.last_page is not False or not page.values:
        return since, True
    if latest < since:
        raise PagingError("worklog feed: Jira repeats a page instead of going on; try again with --resume")
    until = next_since(page.next_page) or page.until or latest
    return max(min(until, latest) - 1, since + 1), False


async def _ask(work: Work, ids: list[int]) -> int:
    """Ask for worklogs by id and take what they tell; return how many there were."""
    there = 0
    for start in range(0, len(ids), _MOST):
        some = ids[start : start + _MOST]
        raw = await work.jira.read(list[msgspec.Raw], WORKLOGS, body={"ids": some})
        worklogs = list(each(WORKLOG, raw, work.unreadable))
        work.skip(f"worklogs {GONE}", max(0, len(some) - len(raw)))
        await _take(work, worklogs)
        work.memory.spool.see_worklogs(some)
        there += len(worklogs)
    return there


async def _take(work: Work, worklogs: list[Worklog]) -> None:
    places = work.memory.spool.places(number_or_zero(one.issue_id) for one in worklogs)
    for worklog in worklogs:
        issue_id = number_or_zero(worklog.issue_id)
        try:
            facts = list(entry_facts(work.maker, "worklog", worklog, places.get(issue_id, Place(issue_id))))
        except ValueError:
            work.unreadable()
            continue
        await work.outbox.add(facts)
