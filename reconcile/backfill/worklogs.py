"""Worklogs of the whole site: the feed of what was touched, the worklogs by id, and the feed of deleted ones.

The feed's page holds 1000 ids and goes on by time. More than a page may share one millisecond (an import), and it is
not clear whether ``since`` includes its own millisecond (the OpenAPI file says "after", its example says otherwise). So
each page goes back by one millisecond, and worklogs that changelog entries name but the feed did not bring are asked
for as well. A deleted worklog that no changelog entry named is known to be gone, and not through whom.
"""

import msgspec

from reconcile.backfill.context import GONE, BackfillContext, entity_facts
from reconcile.client.endpoints import WORKLOGS, WORKLOGS_DELETED, WORKLOGS_UPDATED
from reconcile.client.jira_errors import PagingError
from reconcile.client.paging import MOST_PAGES, decoded_elements, next_since
from reconcile.responses.issues import ENTITY, TOUCHED, WorklogFeed
from rollcall.facts import Entity
from rollcall.jira.values import IssueRef, id_or_none, id_or_zero, jira_id, parse_jira_time
from rollcall.records import Activity

_MOST = 1000
"""Ids in one request (OpenAPI file)."""


async def touched_worklogs(context: BackfillContext) -> None:
    """Take all worklogs touched since the window's beginning.

    Raises:
        JiraError: Jira did not answer, or its feed does not end.
    """
    cursor = context.checkpoint.worklogs
    since = cursor.since if cursor.since is not None else context.facts.window.since - context.overlap_ms
    done = 0
    for _ in range(MOST_PAGES):
        if cursor.read:
            break
        page = await context.jira.read(WorklogFeed, WORKLOGS_UPDATED, query={"since": since})
        entries = read_feed(context, page.values)
        ids = [number for number, at in entries if at >= context.facts.window.since]
        done += await _ask(context, context.state.spool.not_seen(ids))
        since, cursor.read = following(page, since, max((at for _, at in entries), default=0))
        cursor.since = since
        await context.save()
        context.progress.at("worklogs", done)
    else:
        raise PagingError(f"{WORKLOGS_UPDATED.name}: the feed does not end")
    while named := context.state.spool.unseen_worklogs(_MOST):
        done += await _ask(context, named)
        await context.save()
    cursor.done = True
    await context.save()
    context.progress.end("worklogs", done)


def read_feed(context: BackfillContext, values: list[msgspec.Raw]) -> list[tuple[int, int]]:
    """Return id and time (epoch ms) of the feed's entries."""
    found = []
    for value in decoded_elements(TOUCHED, values, context.unreadable):
        try:
            found.append((jira_id(value.worklog_id), parse_jira_time(value.updated_time)))
        except ValueError:
            context.unreadable()
    return found


def following(page: WorklogFeed, since: int, latest: int) -> tuple[int, bool]:
    """Return the ``since`` of the next page, and whether this was the last one.

    Always later than before, so that the feed goes on even where one millisecond fills pages.

    Args:
        page: The page.
        since: What it was requested with, epoch ms.
        latest: The latest time on it, epoch ms; 0 for none.

    Raises:
        PagingError: The page is older than what was requested, and said not to be the last: a loop.
    """
    if page.last_page is not False or not page.values:
        return since, True
    if latest < since:
        raise PagingError("worklog feed: Jira repeats a page instead of going on; try again with --resume")
    until = next_since(page.next_page) or page.until or latest
    return max(min(until, latest) - 1, since + 1), False


async def _ask(context: BackfillContext, ids: list[int]) -> int:
    """Request worklogs by id and take the facts in them; return how many there were."""
    there = 0
    for start in range(0, len(ids), _MOST):
        some = ids[start : start + _MOST]
        raw = await context.jira.read(list[msgspec.Raw], WORKLOGS, body={"ids": some})
        worklogs = list(decoded_elements(ENTITY, raw, context.unreadable))
        context.skip(f"worklogs {GONE}", max(0, len(some) - len(raw)))
        await _take(context, worklogs)
        # Before they count as requested: a run that is cut off in between would never request them again.
        await context.publisher.flush()
        context.state.spool.see_worklogs(some)
        there += len(worklogs)
    return there


async def _take(context: BackfillContext, worklogs: list[Entity]) -> None:
    numbers = [id_or_zero(id_or_none(one.issueId)) for one in worklogs]
    refs = context.state.spool.places(numbers)
    for worklog, number in zip(worklogs, numbers, strict=True):
        ref = refs.get(number, IssueRef(number))
        await context.publisher.add(entity_facts(context.facts, "worklog", worklog, ref, context.unreadable))


async def deleted_worklogs(context: BackfillContext) -> None:
    """Take the feed of deleted worklogs: ids and times, without an actor (OpenAPI file).

    Raises:
        JiraError: Jira did not answer, or its feed does not end.
    """
    cursor = context.checkpoint.deletions
    since = cursor.since if cursor.since is not None else context.facts.window.since - 1
    done = 0
    for _ in range(MOST_PAGES):
        if cursor.read:
            break
        page = await context.jira.read(WorklogFeed, WORKLOGS_DELETED, query={"since": since})
        entries = read_feed(context, page.values)
        facts = _facts(context, entries)
        await context.publisher.add(facts)
        done += len(facts)
        since, cursor.read = following(page, since, max((at for _, at in entries), default=0))
        cursor.since = since
        await context.save()
    else:
        raise PagingError(f"{WORKLOGS_DELETED.name}: the feed does not end")
    cursor.done = True
    await context.save()
    context.progress.end("deleted worklogs without an actor", done)


def _facts(context: BackfillContext, entries: list[tuple[int, int]]) -> list[Activity]:
    inside = {number: at for number, at in entries if context.facts.window.holds(at)}
    named = context.state.spool.named_deleted(inside)
    return [
        context.facts.maker.entity_deleted("worklog", number, at, IssueRef())
        for number, at in inside.items()
        if number not in named
    ]
