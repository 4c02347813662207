"""Worklogs of the whole site: the feed of what was touched, the worklogs by id, and the feed of deleted ones.

The feed's page holds 1000 ids and goes on by time. More than a page may share one millisecond (an import), and it is
not clear whether ``since`` includes its own millisecond (the OpenAPI file says "after", its example says otherwise). So
where a page lacks the entries that it was to begin with, it is requested from one millisecond before, and worklogs that
changelog entries name but the feed did not bring are asked for as well. A deleted worklog that no changelog entry named
is known to be gone, and not through whom: that is nobody's activity, and the feed of those is read with the whole
window, or where it settles whether a worklog is missing.

The first worklogs of an issue come with it from the search (20 were captured). Requested are the others, and those that
the feed says were touched since.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import msgspec

from reconcile.backfill.census import still_listed
from reconcile.backfill.context import COME_ALONG, GONE, UNREADABLE_ERRORS, BackfillContext, entity_facts, read_as_given
from reconcile.client.endpoints import SEARCH, WORKLOGS, WORKLOGS_DELETED, WORKLOGS_UPDATED, Endpoint
from reconcile.client.jira_errors import JiraError, PagingError
from reconcile.client.paging import MOST_PAGES, decoded_elements, next_since
from reconcile.responses import ENTITY, EXPANDED, TOUCHED, WORKLOGS_OF, SearchPage, WorklogFeed
from reconcile.state.checkpoint import FeedCursor
from rollcall.facts import Entity, moment_of, moment_or_none, read_issue
from rollcall.jira.values import IssueRef, id_or_none, id_or_zero, jira_id, parse_jira_time, read_or_none
from rollcall.records import Activity

_MOST = 1000
"""Ids in one request, and entries on a page of a feed (OpenAPI file)."""
_EMPTY_PAGES = 50
"""Pages of a feed in a row that may be empty while Jira says that there are more."""


async def take_embedded_worklogs(context: BackfillContext, issues: Iterable[tuple[IssueRef, msgspec.Raw]]) -> None:
    """Take the worklogs that came with issues, and remember them: the feed says which others there are.

    What cannot be read of them is asked for like those that did not come.

    Args:
        context: The run's context.
        issues: As Jira sent them, and where their facts belong.

    Raises LogUnavailableError.
    """
    given: dict[int, int] = {}
    for ref, issue in issues:
        with suppress(RecursionError):
            for number, touched, facts in _embedded(context, ref, issue):
                await context.publisher.add(facts)
                given[number] = touched
                context.came(WORKLOG, number)
    if given:
        await context.publisher.flush()  # a run that is cut off in between would never request them
        context.state.spool.give_worklogs(given)


def _embedded(context: BackfillContext, ref: IssueRef, issue: msgspec.Raw) -> Iterator[tuple[int, int, list[Activity]]]:
    """Yield id, time (epoch ms) and facts of the worklogs that came with an issue and were touched in the window."""
    parts = read_or_none(EXPANDED, issue)
    found = read_or_none(WORKLOGS_OF, parts.fields.worklog) if parts else None
    for one in decoded_elements(ENTITY, found.worklogs if found else [], lambda: None):
        spoilt: list[None] = []
        try:
            touched = max(moment_of("updated", one.updated, one.created), moment_or_none(one.created) or 0)
        except UNREADABLE_ERRORS:
            continue
        if touched < context.facts.window.since:
            continue
        odd = partial(spoilt.append, None)
        facts = entity_facts(context.facts, "worklog", one, ref, odd, COME_ALONG)
        if (number := id_or_zero(id_or_none(one.id))) and not spoilt:
            yield number, touched, facts


async def touched_worklogs(context: BackfillContext) -> None:
    """Take all worklogs touched since the window's beginning; where the feed fails, those that changelogs name.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    cursor, spool, moved = context.checkpoint.worklogs, context.state.spool, context.checkpoint.moved
    if moved:
        spool.list_worklogs(moved.worklog_ids)
    begin = moved.worklogs if moved else context.facts.window.since - 1
    done = spool.given_worklogs()
    async for entries in _pages(context, WORKLOGS_UPDATED, begin, cursor):
        spool.list_worklogs(number for number, at in entries if at >= context.facts.window.since)
        # Touched since they came, or the search's index was behind.
        spool.unsee_worklogs(entries)
        # Only whole requests: a page goes back a little, and changelog entries have named many already.
        while len(named := spool.unseen_worklogs(_MOST)) == _MOST:
            done += await _ask(context, named)
        context.progress.at("worklogs", done)
    while named := spool.unseen_worklogs(_MOST):
        done += await _ask(context, named)
        await context.save()
    cursor.done = True
    await context.save()
    context.progress.end("worklogs", done)


_FEEDS = {
    WORKLOGS_UPDATED: ("the feed of touched worklogs", "worklogs"),
    WORKLOGS_DELETED: ("the feed of deleted worklogs", "deletions"),
}


async def _pages(
    context: BackfillContext, feed: Endpoint, begin: int, cursor: FeedCursor
) -> AsyncIterator[list[tuple[int, int]]]:
    """Yield id and time (epoch ms) of a feed's entries, page by page; what cannot be had ends the feed, and is a gap.

    The checkpoint moves on once what came of a page is taken.
    """
    since, empty, back = cursor.since if cursor.since is not None else begin, 0, 0
    latest = since if cursor.since is not None else -1
    for _ in range(MOST_PAGES):
        if cursor.read:
            return
        try:
            page = await _page(context, feed, since)
        except JiraError as error:
            await _end(context, feed, since, error, cursor)
            return
        entries = read_feed(context, page.values)
        if since == latest and not back and all(at != since for _, at in entries):
            since, back = since - 1, 1  # this Jira gives what is later: some of that millisecond may be lacking
            continue
        yield entries
        latest = max((at for _, at in entries), default=0)
        try:
            empty = 0 if page.values else empty + 1
            since, cursor.read = following(page, since, latest, empty, back)
        except PagingError as error:
            await _end(context, feed, since, error, cursor)
        cursor.since = since
        await context.save()
    await _end(context, feed, since, PagingError(f"{feed.name}: the feed does not end"), cursor)


async def _page(context: BackfillContext, feed: Endpoint, since: int) -> WorklogFeed:
    first = context.first_page
    if first and feed is WORKLOGS_UPDATED and first.since == since:
        return first.page
    return await context.jira.read(WorklogFeed, feed, query={"since": since})


async def _end(context: BackfillContext, feed: Endpoint, since: int, error: JiraError, cursor: FeedCursor) -> None:
    await context.tolerate(error)
    at = datetime.fromtimestamp(since / 1000, UTC)
    what, of = _FEEDS[feed]
    context.note(f"{what} from {at:%Y-%m-%d %H:%M} UTC on", error, of=of)
    cursor.read = True


def read_feed(context: BackfillContext, values: list[msgspec.Raw]) -> list[tuple[int, int]]:
    """Return id and time (epoch ms) of the feed's entries."""
    found = []
    for value in decoded_elements(TOUCHED, values, context.unreadable):
        try:
            found.append((jira_id(value.worklog_id), parse_jira_time(value.updated_time)))
        except ValueError:
            context.unreadable()
    return found


def following(page: WorklogFeed, since: int, latest: int, empty: int = 0, back: int = 1) -> tuple[int, bool]:
    """Return the ``since`` of the next page, and whether this was the last one.

    Always later than before, so that the feed goes on even where one millisecond fills pages. A full page is never the
    last, whatever Jira says, and one that does not say so is the last when nothing later stands on it.

    Args:
        page: The page.
        since: What it was requested with, epoch ms.
        latest: The latest time on it, epoch ms; 0 for none that can be read.
        empty: How many pages in a row were empty, this one included.
        back: How far to go back, ms: 0 where a page holds what was touched at its very ``since``.

    Raises:
        PagingError: The page is older than what was requested, and said not to be the last: a loop. Or page after page
            is empty.
    """
    until = next_since(page.next_page) or page.until or latest
    unsaid = page.last_page is None and bool(page.values) and until > since
    if page.last_page is not False and not unsaid and len(page.values) < _MOST:
        return since, True
    reached = min(latest or until, until)
    if reached < since or (not page.values and reached == since) or empty > _EMPTY_PAGES:
        raise PagingError("worklog feed: Jira repeats a page instead of going on")
    return max(reached - back, since + 1), False


WORKLOG = "worklog"


async def _ask(context: BackfillContext, ids: list[int]) -> int:
    """Request worklogs by id and take the facts in them; return how many there were."""
    there = 0
    given = set[int]()

    async def ask(some: list[int], attempts: int) -> None:
        nonlocal there
        raw = await context.jira.read(list[msgspec.Raw], WORKLOGS, body={"ids": some}, attempts=attempts)
        worklogs = list(decoded_elements(ENTITY, raw, context.unreadable))
        await _take(context, worklogs)
        given.update(id_or_zero(id_or_none(one.id)) for one in worklogs)
        there += len(worklogs)

    for start in range(0, len(ids), _MOST):
        some = ids[start : start + _MOST]
        failed = await read_as_given(context, WORKLOG, some, ask, given)
        ungiven = [one for one in some if one not in given and one not in failed]
        for one in given:
            context.came(WORKLOG, one)
        context.skip(f"worklogs {GONE}", len(ungiven))
        context.state.spool.miss_worklogs(ungiven)
        for one, error in failed.items():
            context.note(WORKLOG, error, [one], of="worklogs")
        # Before they count as requested: a run that is cut off in between would never request them again.
        await context.save()
        context.state.spool.see_worklogs(some)
    return there


async def _take(context: BackfillContext, worklogs: list[Entity]) -> None:
    numbers = [id_or_zero(id_or_none(one.issueId)) for one in worklogs]
    refs = await _places(context, numbers)
    for worklog, number in zip(worklogs, numbers, strict=True):
        ref = refs.get(number, IssueRef(number))
        await context.publisher.add(entity_facts(context.facts, "worklog", worklog, ref, context.unreadable))


_ISSUES = 100
"""A search page at most, with any field."""


async def _places(context: BackfillContext, numbers: list[int]) -> dict[int, IssueRef]:
    """Return where issues belong; of a run that reads what moved, also of those that did not and have such worklogs."""
    spool = context.state.spool
    refs = spool.places(numbers)
    unknown = (
        sorted({number for number in numbers if number and number not in refs}) if context.checkpoint.moved else []
    )
    for start in range(0, len(unknown), _ISSUES):
        some = unknown[start : start + _ISSUES]
        body = {"jql": f"id in ({', '.join(map(str, some))})", "fields": ["project"], "maxResults": len(some)}
        try:
            page = await context.jira.read(SearchPage, SEARCH, body=body, attempts=context.attempts(WORKLOG))
        except JiraError as error:
            await context.tolerate(error)  # the worklogs are there all the same, without the issue's key
            continue
        found = (_place(issue) for issue in page.issues)
        spool.put_issues(ref for ref in found if ref.issue_id)
    return refs | spool.places(unknown)


def _place(issue: msgspec.Raw) -> IssueRef:
    try:
        return read_issue(issue).ref()
    except RecursionError:
        return IssueRef()


async def deleted_worklogs(context: BackfillContext) -> None:
    """Take the feed of deleted worklogs: ids and times, without an actor (OpenAPI file).

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    cursor, moved = context.checkpoint.deletions, context.checkpoint.moved
    if moved and not moved.deletions_due and not context.state.spool.missed_worklogs():
        cursor.done = True
        await context.save()
        return
    begin = moved.deletions if moved else context.facts.window.since - 1
    done = 0
    async for entries in _pages(context, WORKLOGS_DELETED, begin, cursor):
        facts = _facts(context, entries)
        context.state.spool.forget_missed(number for number, _ in entries)
        await context.publisher.add(facts)
        done += len(facts)
    await _settle_missed(context)
    cursor.done = True
    await context.save()
    context.progress.end("deleted worklogs without an actor", done)


_NOT_GIVEN = "a change of its issue names it and Jira does not give it; the account may lack the role that sees it"


async def _settle_missed(context: BackfillContext) -> None:
    """Name the worklogs that a change names and Jira does not give, though nothing says that they or their issue went.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
    """
    missed = context.state.spool.missed_worklogs()
    listed = set[int]()
    if missed:
        listed = await still_listed(context, context.checkpoint.issues.jql, set(missed.values()))
    if moved := context.checkpoint.moved:
        listed.update(moved.issue_ids)
    for number, issue in missed.items():
        if issue in listed:
            # By its issue's changes the next run sees again that it is missing, by its own id only that it is ungiven.
            context.fall_short(WORKLOG, number, "not given", _NOT_GIVEN, issue)


def _facts(context: BackfillContext, entries: list[tuple[int, int]]) -> list[Activity]:
    inside = {number: at for number, at in entries if context.facts.window.holds(at)}
    named = context.state.spool.named_deleted(inside)
    return [
        context.facts.maker.entity_deleted("worklog", number, at, IssueRef())
        for number, at in inside.items()
        if number not in named
    ]
