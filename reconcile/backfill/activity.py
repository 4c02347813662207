"""The backfill: candidate issues with their comments and changelogs, then worklogs, then what was deleted.

Candidates are all issues that moved since the window's beginning: whatever makes a fact moves an issue's ``updated``
(Atlassian docs, connectors), and creation is a move too. Jira reads times in JQL to the minute and in the calling
account's time zone.

How many comments a search embeds is not documented (20 and 100 have been seen); ``total`` counts all. Edits of old
comments count, so that all comments are needed and not only the newest.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from reconcile.backfill.changelogs import MOST_ISSUES, pending_changelogs
from reconcile.backfill.context import GONE, UNREADABLE_ERRORS, BackfillContext, WindowFacts, entity_facts
from reconcile.backfill.worklogs import deleted_worklogs, touched_worklogs
from reconcile.client.endpoints import COMMENTS, COUNT, SEARCH
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraRefusedError, NotThereError, PagingError
from reconcile.client.paging import MOST_PAGES, SeenTokens, decoded_elements, gather_first_error
from reconcile.responses.issues import EMBEDDED, ENTITY, Comments, SearchPage
from reconcile.state.checkpoint import IssuesCursor
from rollcall.errors import RollcallError
from rollcall.facts import Issue, read_issue
from rollcall.jira.values import IssueRef, read_or_none
from rollcall.logs import logger
from rollcall.records import Activity

log = logger(__name__)


class UnknownZoneError(RollcallError):
    """The account's time zone is not known on this machine, so no time can be written for JQL."""


def candidates(since: int, now: int, zone_name: str | None) -> str:
    """Return the query.

    Args:
        since: From when, epoch ms; cut to the minute.
        now: Jira's present, epoch ms; used where the zone is not known.
        zone_name: Time zone of the account; None when Jira does not give it.

    Raises:
        UnknownZoneError: Time zone data is missing on this machine.
    """
    # In order of creation, which never changes: by `updated`, issues would jump pages while they are read.
    if zone_name is None:
        minutes = (now - since) // 60_000 + 2
        return f'updated >= "-{minutes}m" ORDER BY created ASC'
    try:
        zone = ZoneInfo(zone_name)
    except (KeyError, ValueError, OSError):
        raise UnknownZoneError(
            f"the account's time zone {zone_name!r} is not known here; install the tzdata package, or set the "
            "account's profile to UTC"
        ) from None
    local = datetime.fromtimestamp(since / 1000, UTC).astimezone(zone)
    return f'updated >= "{local:%Y-%m-%d %H:%M}" ORDER BY created ASC'


_COMMENTS_A_PAGE = 100
"""Jira gives no more at once (measured by others)."""


class _CommentId(msgspec.Struct, frozen=True):
    id: int | str


_COMMENT_ID = msgspec.json.Decoder(_CommentId)


def is_cut(embedded: Comments | None) -> bool:
    """Return whether the issue has comments that did not come with it."""
    return embedded is None or embedded.total is None or embedded.total > len(embedded.comments)


async def other_comments(
    jira: JiraClient, issue_id: int, embedded: Comments | None
) -> AsyncIterator[list[msgspec.Raw]]:
    """Yield the comments that did not come with the issue, page by page; some may come twice.

    Raises:
        NotThereError: The issue is gone.
        JiraError: Jira did not answer, or refused.
    """
    had = embedded.comments if embedded else []
    seen = _comment_ids(had)
    total = 0
    # Were the embedded ones not the oldest, or was one deleted while pages were turned, then the count falls short
    # and all are read from the start.
    for start in dict.fromkeys((len(had), 0)):
        async for page in _comment_pages(jira, issue_id, start):
            total = page.total or 0
            seen |= _comment_ids(page.comments)
            yield page.comments
        if len(seen) >= total:
            return


async def _comment_pages(jira: JiraClient, issue_id: int, start: int) -> AsyncIterator[Comments]:
    for _ in range(MOST_PAGES):
        query = {"startAt": start, "maxResults": _COMMENTS_A_PAGE, "orderBy": "created"}
        page = await jira.read(Comments, COMMENTS, issue_id, query=query)
        yield page
        start += len(page.comments)
        if not page.comments or start >= (page.total or 0):
            return
    raise PagingError(f"{COMMENTS.name}: the comments of issue {issue_id} do not end")


def _comment_ids(comments: list[msgspec.Raw]) -> set[str]:
    found = set()
    for comment in comments:
        try:
            found.add(str(_COMMENT_ID.decode(comment).id))
        except (ValueError, RecursionError):
            continue
    return found


def creation(facts: WindowFacts, issue: Issue, ref: IssueRef) -> Activity | None:
    """Return the fact of creating the issue, by its creator (who may differ from the reporter), if in the window.

    Raises:
        NotUnderstoodError: Its id, its ``created`` or its creator is none.
    """
    fact = facts.maker.issue_created(ref, issue.fields.created, issue.fields.creator)
    return fact if facts.holds(fact) else None


ISSUES_A_PAGE = 100
"""Issues a page with any field but id and key (OpenAPI file)."""

_FIELDS = ["comment", "creator", "created", "project"]


async def search_page(context: BackfillContext, seen_tokens: SeenTokens) -> None:
    """Request the next page of candidates and take the facts in it.

    Raises:
        JiraError: Jira did not answer, or repeats a page.
    """
    cursor = context.checkpoint.issues
    body: dict[str, object] = {"jql": cursor.jql, "fields": _FIELDS, "maxResults": ISSUES_A_PAGE}
    if cursor.token:
        body["nextPageToken"] = cursor.token
    page = await context.jira.read(SearchPage, SEARCH, body=body)
    found = list(_candidates(context, page.issues))
    known = [one.ref for one in found if one.ref.issue_id]
    context.state.spool.put_issues(known)
    for one in found:
        await context.publisher.add(_embedded(context, one))
    await gather_first_error(_rest(context, one) for one in found if one.ref.issue_id and is_cut(one.comments))
    cursor.token = page.next_page_token or None
    cursor.searched = page.is_last is True or cursor.token is None
    if cursor.token and not cursor.searched:
        seen_tokens.check(cursor.token)
    cursor.pending = [*cursor.pending, *(ref.issue_id for ref in known)]
    cursor.issues += len(known)
    cursor.pages += 1


class _Candidate(NamedTuple):
    issue: Issue
    ref: IssueRef
    comments: Comments | None


def _candidates(context: BackfillContext, elements: list[msgspec.Raw]) -> Iterator[_Candidate]:
    for element in elements:
        try:
            issue = read_issue(element)
            yield _Candidate(issue, issue.ref(), read_or_none(EMBEDDED, issue.fields.comment))
        except RecursionError:
            context.unreadable()


def _embedded(context: BackfillContext, found: _Candidate) -> Iterator[Activity]:
    try:
        if fact := creation(context.facts, found.issue, found.ref):
            yield fact
    except UNREADABLE_ERRORS:
        context.unreadable()
    if found.comments:
        yield from _comment_facts(context, found.comments.comments, found.ref)


async def _rest(context: BackfillContext, found: _Candidate) -> None:
    try:
        async for comments in other_comments(context.jira, found.ref.issue_id, found.comments):
            await context.publisher.add(_comment_facts(context, comments, found.ref))
    except NotThereError:
        context.skip(f"issues {GONE}")


def _comment_facts(context: BackfillContext, comments: list[msgspec.Raw], ref: IssueRef) -> Iterator[Activity]:
    for comment in decoded_elements(ENTITY, comments, context.unreadable):
        yield from entity_facts(context.facts, "comment", comment, ref, context.unreadable)


_UNKNOWN_TOKEN = 400
_SURELY_TOO_FEW = 0.5
_WORTH_ASKING = 200
"""Jira's own count is an estimate; only a large gap means that a search lost something."""


class _Count(msgspec.Struct):
    count: int = 0


async def backfill(context: BackfillContext, now: int, zone: str | None) -> None:
    """Find what happened in the window and put it on the log; done steps and pages are not requested again.

    Args:
        context: The run's context.
        now: Jira's present, epoch ms.
        zone: The account's time zone.

    Raises:
        JiraError: Jira did not answer, or refused; the checkpoint says how far it came.
        LogUnavailableError: The log takes nothing.
    """
    if not context.checkpoint.issues.done:
        await _issues(context, now, zone)
    if not context.checkpoint.worklogs.done:
        await touched_worklogs(context)
    if not context.checkpoint.deletions.done:
        await deleted_worklogs(context)


async def _issues(context: BackfillContext, now: int, zone: str | None) -> None:
    cursor = context.checkpoint.issues
    if not cursor.jql:
        await _begin(context, cursor, now, zone)
        await context.save()
    resumed = cursor.token
    seen_tokens = SeenTokens(SEARCH, resumed)
    while not cursor.searched or cursor.pending:
        if cursor.searched or len(cursor.pending) + ISSUES_A_PAGE > MOST_ISSUES:
            await pending_changelogs(context)
            continue
        try:
            await search_page(context, seen_tokens)
        except JiraRefusedError as error:
            if not (resumed and cursor.token == resumed and error.status == _UNKNOWN_TOKEN):
                raise
            log.info("Jira no longer knows the interrupted search; it begins anew", site=context.checkpoint.site)
            await _begin(context, cursor, now, zone)
            cursor.token, cursor.pages, cursor.issues, resumed = None, 0, 0, None
        await context.save()
        context.progress.at("issues", cursor.issues, cursor.expected or None)
    _compare(context, cursor)
    cursor.done = True
    await context.save()
    context.progress.end("issues", cursor.issues)


async def _begin(context: BackfillContext, cursor: IssuesCursor, now: int, zone: str | None) -> None:
    cursor.jql = candidates(context.facts.window.since - context.overlap_ms, now, zone)
    bounded = cursor.jql.partition(" ORDER BY ")[0]
    cursor.expected = (await context.jira.read(_Count, COUNT, body={"jql": bounded})).count


def _compare(context: BackfillContext, cursor: IssuesCursor) -> None:
    """Notice a search that came back with far too little, which looks like success otherwise."""
    if cursor.expected >= _WORTH_ASKING and cursor.issues < cursor.expected * _SURELY_TOO_FEW:
        context.checkpoint.missing.append(
            f"the search found {cursor.issues} issues where Jira counts about {cursor.expected}; run it again later, "
            "and look whether the account sees all projects"
        )
