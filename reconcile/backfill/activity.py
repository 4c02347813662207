"""The backfill: candidate issues with their comments and changelogs, then worklogs, then what was deleted.

What one request cannot give costs only itself: it is asked for by other means, or in smaller parts, and what then
cannot be read is a gap that has a name.

Candidates are all issues that moved since the window's beginning, or since the run before began, and those of which
something could not be read then: whatever makes a fact moves an issue's ``updated`` (Atlassian docs, connectors), and
creation is a move too. Jira reads times in JQL to the minute and in the calling
account's time zone.

How many comments a search embeds is not documented (20 and 100 have been seen), and ``total`` counts all; the others
are asked for. Edits of old comments count, so that all comments are needed and not only the newest.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from reconcile.backfill.census import (
    ISSUE,
    NOT_GIVEN,
    PageSize,
    candidates,
    compare_numbers,
    count_gone,
    may_be_too_large,
    settle_refusals,
    take_census,
)
from reconcile.backfill.changelogs import MOST_ISSUES, all_changes, move_of, pending_changelogs, take_histories
from reconcile.backfill.context import (
    COME_ALONG,
    FEW_ATTEMPTS,
    UNREADABLE_ERRORS,
    BackfillContext,
    creation,
    entity_facts,
    lacks_id,
    read_as_given,
    reason_of,
)
from reconcile.backfill.worklogs import deleted_worklogs, take_embedded_worklogs, touched_worklogs
from reconcile.client.endpoints import COMMENTS, SEARCH
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import (
    FewerGivenError,
    JiraError,
    JiraRefusedError,
    JiraUnavailableError,
    NotThereError,
    PagingError,
)
from reconcile.client.paging import MOST_PAGES, SeenElements, SeenTokens, decoded_elements, gather_first_error
from reconcile.responses import CHANGES, EMBEDDED, ENTITY, EXPANDED, Comments, SearchPage
from reconcile.state.run_state import Move
from rollcall.facts import Issue, moment_or_none, read_issue
from rollcall.jira.values import IssueRef, read_or_none
from rollcall.logs import logger
from rollcall.records import Activity

log = logger(__name__)


ISSUES_A_PAGE = 100
"""Issues a page with any field but id and key (OpenAPI file)."""

_FIELDS = ["comment", "creator", "created", "updated", "project"]
_UNKNOWN_TOKEN = 400
_FEW_SILENT = 3
"""Issues asked for their comments on suspicion."""
_FAR_TOO_MANY = 1_000
"""Issues beyond twice as many as the census lists: the search goes in a circle."""


async def backfill(context: BackfillContext, now: int, zone: str | None) -> None:
    """Find what happened in the window and put it on the log; done steps and pages are not requested again.

    Args:
        context: The run's context.
        now: Jira's present, epoch ms.
        zone: The account's time zone.

    Raises:
        JiraError: Jira is away, or no longer takes the account; the checkpoint says how far it came.
        LogUnavailableError: The log takes nothing.
    """
    if not context.checkpoint.issues.done:
        await _Issues(context, now, zone).read()
    if not context.checkpoint.worklogs.done:
        await touched_worklogs(context)
    if not context.checkpoint.deletions.done:
        await deleted_worklogs(context)
    context.name_the_nameless()


class _Candidate(NamedTuple):
    issue: Issue
    ref: IssueRef
    comments: Comments | None
    raw: msgspec.Raw


class _Issues:
    """Reads the candidates: census, search, what the search did not bring, and the changelogs of all."""

    def __init__(self, context: BackfillContext, now: int, zone: str | None) -> None:
        self._context = context
        self._cursor = context.checkpoint.issues
        moved, all_since = context.checkpoint.moved, context.facts.window.since - context.overlap_ms
        self._jql = partial(candidates, moved.issues if moved else all_since, now, zone)
        self._all_jql = partial(candidates, all_since, now, zone)
        self._size = PageSize(ISSUES_A_PAGE)
        self._may_embed = True
        self._asked: set[int] = set()
        self._resumed = self._cursor.token
        self._tokens = SeenTokens(SEARCH, self._resumed)

    async def read(self) -> None:
        context, cursor = self._context, self._cursor
        while not cursor.done:
            if len(cursor.pending) + ISSUES_A_PAGE > MOST_ISSUES or (cursor.checked and cursor.pending):
                await self._hear(await pending_changelogs(context))
                cursor.pending = cursor.pending[MOST_ISSUES:]
                await context.save()
                continue
            if not cursor.counted:
                cursor.jql = cursor.jql or self._jql()
                await take_census(context)
            elif not cursor.searched:
                await self._search()
                context.progress.at("issues", cursor.issues, cursor.expected or None)
            elif not cursor.checked:
                await self._check()
                context.progress.at("issues", cursor.issues, cursor.expected or None)
            else:
                cursor.done = True
            await context.save()
            context.state.spool.ask_comments(self._asked)
            self._asked.clear()
        context.progress.end("issues", cursor.issues)

    async def _search(self) -> None:
        """Request a page of the search and take it; where none can be had, the rest is asked for by id.

        Issues are asked for with their worklogs, and what moved and fits on one page with its changes, which saves
        their own requests.
        """
        context, cursor = self._context, self._cursor
        expand = self._may_embed and context.checkpoint.moved and 0 < cursor.expected <= ISSUES_A_PAGE
        fields = [*_FIELDS, "worklog"] if self._may_embed else _FIELDS
        body: dict[str, object] = {"jql": cursor.jql, "fields": fields, "maxResults": self._size.size}
        if expand:
            body["expand"] = "changelog"
        if cursor.token:
            body["nextPageToken"] = cursor.token
        try:
            page = await context.jira.read(SearchPage, SEARCH, body=body, attempts=context.attempts(ISSUE))
            token = page.next_page_token or None
            if token:
                self._tokens.check(token, page.keys)
            if cursor.expected and cursor.issues > 2 * cursor.expected + _FAR_TOO_MANY:
                raise PagingError(f"{SEARCH.name}: the search does not end")
        except JiraError as error:
            await self._after(error)
            return
        self._size.went_well()
        # Jira may give fewer of what carries more (OpenAPI file).
        self._may_embed &= token is None or len(page.issues) * 2 > self._size.size
        found = await self._take(page, self._context.unreadable)
        known = [one.ref for one in found if one.ref.issue_id]
        context.state.spool.put_issues(known)
        await take_embedded_worklogs(context, ((one.ref, one.raw) for one in found))
        whole = await self._take_expanded(found) if expand else set()
        # Whatever isLast says: while there is a token there is a next page.
        cursor.token, cursor.searched = token, token is None
        cursor.pending = [*cursor.pending, *(ref.issue_id for ref in known if ref.issue_id not in whole)]
        cursor.issues += len(known)
        cursor.pages += 1

    async def _take_expanded(self, found: list[_Candidate]) -> set[int]:
        """Take the changes that came with issues; return those issues whose changes all came."""
        context, moved = self._context, self._context.checkpoint.moved
        whole, moves = set[int](), context.state.spool.moves(one.ref.issue_id for one in found)
        for one in found:
            try:
                if not (moved and one.ref.issue_id and (parts := read_or_none(EXPANDED, one.raw))):
                    continue
                histories = all_changes(parts.changelog, moment_or_none(one.issue.fields.created) or 0, moved.issues)
                if histories is not None:
                    times = await take_histories(context, histories, one.ref)
                    move = moves.get(one.ref.issue_id, Move(0))
                    # What says nothing of why the issue moved may not be all.
                    whole |= {one.ref.issue_id} if move.updated <= max(move.said, *times, 0) else set()
                if one.ref.issue_id not in whole and (given := read_or_none(CHANGES, parts.changelog)):
                    context.given_changes[one.ref.issue_id] = given
            except RecursionError:
                continue  # what did not come is asked for
        return whole

    async def _after(self, error: JiraError) -> None:
        context, cursor = self._context, self._cursor
        unknown = isinstance(error, JiraRefusedError) and error.status == _UNKNOWN_TOKEN
        if unknown and self._resumed and cursor.token == self._resumed:
            log.info("Jira no longer knows the interrupted search; it begins anew", site=context.checkpoint.site)
            cursor.jql, cursor.token, cursor.pages, cursor.issues, self._resumed = self._jql(), None, 0, 0, None
            return
        if may_be_too_large(error) and (self._may_embed or self._size.shrink()):
            self._may_embed = False
            return
        await context.tolerate(error)
        cursor.token, cursor.searched = None, True
        log.warning("the search ends early", site=context.checkpoint.site, found=cursor.issues, cause=str(error))
        if not cursor.expected:
            context.note(f"what a search gives after its first {cursor.issues} issues", error)

    async def _take(self, page: SearchPage, unreadable: Callable[[], None]) -> list[_Candidate]:
        context = self._context
        found = list(_candidates(page.issues, unreadable))
        said: dict[int, int] = {}
        for one in found:
            facts = list(_embedded(context, one))
            said[one.ref.issue_id] = max((fact.occurred_at for fact in facts if fact.family == "comment"), default=0)
            await context.publisher.add(facts)
            if not is_cut(one.comments):
                context.came(COMMENTS_OF, one.ref.issue_id)
        moves = ((one.ref.issue_id, move_of(one.issue, said[one.ref.issue_id])) for one in found)
        context.state.spool.move_issues({issue: move for issue, move in moves if issue and move})
        before = self._asked_of(one.ref.issue_id for one in found) | {0}
        unasked = [one for one in found if one.ref.issue_id not in before]
        asked = [one for one in unasked if self._cursor.asks_each or is_cut(one.comments)]
        self._asked.update(one.ref.issue_id for one in asked)
        await gather_first_error(take_other_comments(context, one.ref, one.comments) for one in asked)
        return found

    def _asked_of(self, issues: Iterable[int]) -> set[int]:
        """Return whose comments were asked for already, by this run or before it was gone on with."""
        return self._asked | self._context.state.spool.asked_comments(issues)

    async def _hear(self, silent: dict[int, tuple[int, int]]) -> None:
        """Look at the comments of some issues that moved without a word: a search may give fewer than there are.

        Where one has others, the search begins anew, and each of its issues is asked. A single one is left alone, for
        who deletes a comment may leave no word either.
        """
        cursor, doubtful = self._cursor, silent.keys() - self._asked_of(silent)
        few = sorted(doubtful)[: _FEW_SILENT - cursor.heard] if len(doubtful) > 1 else []
        for issue in few:
            cursor.heard += 1
            if await self._has_others(issue, *silent[issue]):
                cursor.heard, cursor.asks_each, self._tokens = _FEW_SILENT, True, SeenTokens(SEARCH)
                cursor.token, cursor.pages, cursor.issues, cursor.searched, cursor.checked = None, 0, 0, False, False
                words = f"{SEARCH.name} gives fewer comments than there are; each issue was asked for its own"
                self._context.checkpoint.notes = [*self._context.checkpoint.notes, words]
                return

    async def _has_others(self, issue: int, known: int, moved: int) -> bool:
        times: list[int] = []
        try:
            async for comments in other_comments(self._context.jira, issue, None, attempts=1):
                for one in decoded_elements(ENTITY, comments, lambda: None):
                    times += (moment_or_none(part) or 0 for part in (one.created, one.updated))
        except JiraError as error:
            await self._context.tolerate(error)  # it only helps
        return any(known < at <= moved for at in times)

    async def _check(self) -> None:
        """Ask by id for what the census lists and the search did not bring; then name what is missing."""
        context, cursor, spool = self._context, self._cursor, self._context.state.spool
        if ids := spool.unread(ISSUE, ISSUES_A_PAGE):
            came: dict[int, IssueRef] = {}
            failed = await read_as_given(context, ISSUE, ids, partial(self._by_id, came), came)
            cursor.issues += len(came)
            cursor.pending = [*cursor.pending, *came]
            # Before they count as read: a run that is cut off in between would never ask for them again.
            await context.save()
            spool.put_issues(came.values())
            spool.refuse(ISSUE, {one: reason_of(failed.get(one, NOT_GIVEN)) for one in set(ids) - came.keys()})
            return
        # Of an issue that no search gives, comments and changes may be there all the same.
        listed = await settle_refusals(context, self._all_jql() if context.checkpoint.moved else self._cursor.jql)
        places = spool.places(listed)
        refs = [places.get(one, IssueRef(one)) for one in sorted(listed)]
        await gather_first_error(take_other_comments(context, ref, None, listed=True) for ref in refs)
        cursor.pending = [*cursor.pending, *sorted(listed - places.keys())]
        await compare_numbers(context)
        if spool.unread(ISSUE, 1):
            return  # another census listed them
        if context.checkpoint.moved is None:
            await count_gone(context)
        cursor.checked = True

    async def _by_id(self, came: dict[int, IssueRef], ids: list[int], attempts: int) -> None:
        tokens = SeenTokens(SEARCH)
        body: dict[str, object] = {"jql": f"id in ({', '.join(map(str, ids))})", "fields": _FIELDS}
        while True:
            request = {**body, "maxResults": len(ids)}
            page = await self._context.jira.read(SearchPage, SEARCH, body=request, attempts=attempts)
            found = await self._take(page, lambda: None)  # the search counted it, and its id will be named
            came.update((one.ref.issue_id, one.ref) for one in found if one.ref.issue_id in ids)
            if not page.next_page_token:
                return
            body["nextPageToken"] = tokens.check(page.next_page_token, page.keys)


def _candidates(elements: list[msgspec.Raw], unreadable: Callable[[], None]) -> Iterator[_Candidate]:
    for element in elements:
        try:
            issue = read_issue(element)
            yield _Candidate(issue, issue.ref(), read_or_none(EMBEDDED, issue.fields.comment), element)
        except RecursionError:
            unreadable()


def _embedded(context: BackfillContext, found: _Candidate) -> Iterator[Activity]:
    try:
        if fact := creation(context.facts, found.issue, found.ref):
            if lacks_id(fact, found.issue.fields.creator):
                context.unreadable()
            yield fact
    except UNREADABLE_ERRORS:
        context.unreadable()
    if found.comments:
        yield from comment_facts(context, found.comments.comments, found.ref, COME_ALONG)


_COMMENTS_A_PAGE = 100
"""Jira gives no more at once (measured by others)."""
_MOST_A_PAGE = 1_000
"""Requested where there are more, for no page's limit is documented."""
_TOO_MANY = 400
_TOO_LARGE = 413
_CAPS = (20, 50, 100)
"""Where embedded comments may be cut, so that a total of just so many is not taken at its word."""
_FEWEST_A_PAGE = 6
"""Where a page of 100 fails, 25 and then 6 are requested."""

COMMENTS_OF = "comments of issue"


def is_cut(embedded: Comments | None) -> bool:
    """Return whether the issue has comments that did not come with it."""
    if embedded is None or embedded.total is None or embedded.total > len(embedded.comments):
        return True
    return len(embedded.comments) in _CAPS


async def take_other_comments(
    context: BackfillContext, ref: IssueRef, embedded: Comments | None, *, listed: bool = False
) -> None:
    """Take the facts of the comments that did not come with an issue; where Jira fails, its comments are a gap.

    Args:
        context: The run's context.
        ref: The issue.
        embedded: The comments that came with it.
        listed: Whether Jira is known to list the issue now, so that "not there" is a refusal too.

    Raises:
        JiraError: Jira is away, or no longer takes the account.
        LogUnavailableError: The log takes nothing.
    """
    attempts = context.attempts(COMMENTS_OF)
    try:
        async for comments in other_comments(context.jira, ref.issue_id, embedded, attempts):
            await context.publisher.add(comment_facts(context, comments, ref))
    except JiraError as error:
        if isinstance(error, NotThereError) and not listed:
            # Gone, or only its comments are refused: that is told once the search is through.
            context.state.spool.refuse(COMMENTS_OF, {ref.issue_id: str(error)})
            return
        if isinstance(error, FewerGivenError):
            context.fall_short(COMMENTS_OF, ref.issue_id, f"{error.lacking} of them", error)
            return
        await context.tolerate(error)
        context.failures[COMMENTS_OF] += 1
        context.note(COMMENTS_OF, error, [ref.issue_id])
    else:
        context.failures[COMMENTS_OF] = 0
        context.came(COMMENTS_OF, ref.issue_id)


def comment_facts(
    context: BackfillContext, comments: list[msgspec.Raw], ref: IssueRef, how: str = ""
) -> Iterator[Activity]:
    """Yield the facts of comments that lie in the window; `how` they came, see `WindowFacts.holds`."""
    for comment in decoded_elements(ENTITY, comments, context.unreadable):
        yield from entity_facts(context.facts, "comment", comment, ref, context.unreadable, how)


async def other_comments(
    jira: JiraClient, issue_id: int, embedded: Comments | None, attempts: int = FEW_ATTEMPTS
) -> AsyncIterator[list[msgspec.Raw]]:
    """Yield the comments of an issue, page by page; some may come twice.

    Raises:
        NotThereError: The issue is gone.
        JiraError: Jira did not answer, or refused.
    """
    seen = embedded.ids if embedded else set()
    many = embedded is not None and (embedded.total or 0) > _COMMENTS_A_PAGE
    # From the start: which ones are embedded is not documented. Where one is deleted while pages are turned, the count
    # falls short, and they are read once more.
    for _ in range(2):
        # What the search counted holds, too: either answer may leave some out of its list and its total alike.
        total, pages = (embedded.total or 0) if embedded else 0, 0
        async for page in _comment_pages(jira, issue_id, _MOST_A_PAGE if many else _COMMENTS_A_PAGE, attempts):
            total, pages = max(total, page.total or 0), pages + bool(page.comments)
            seen |= page.ids
            yield page.comments
        if len(seen) >= total:
            return
        if pages < 2:
            break
    raise FewerGivenError(f"{COMMENTS.name}: Jira counts more comments than it gives", total - len(seen))


async def _comment_pages(jira: JiraClient, issue_id: int, size: int, attempts: int) -> AsyncIterator[Comments]:
    start, seen = 0, SeenElements()
    for _ in range(MOST_PAGES):
        query = {"startAt": start, "maxResults": size, "orderBy": "created"}
        try:
            page = await jira.read(Comments, COMMENTS, issue_id, query=query, attempts=attempts)
        except JiraError as error:
            large = size > _COMMENTS_A_PAGE
            size = _COMMENTS_A_PAGE if large else size // 4
            if not _may_be_too_many(error, large) or size < _FEWEST_A_PAGE or attempts == 1:
                raise
            continue
        if page.comments and not seen.remember(page.keys):
            raise PagingError(f"{COMMENTS.name}: Jira repeats a page instead of going on")
        yield page
        start += len(page.comments)
        # A full page may have others behind it, whatever Jira counts.
        full = len(page.comments) >= min(size, page.max_results or size)
        if not page.comments or (start >= (page.total or 0) and not full):
            return
    raise PagingError(f"{COMMENTS.name}: the comments of issue {issue_id} do not end")


def _may_be_too_many(error: JiraError, large: bool) -> bool:
    """Return whether fewer comments a page may fare better; more than Jira is known to give may also be refused."""
    if isinstance(error, JiraUnavailableError):
        return not error.limited
    status = error.status if isinstance(error, JiraRefusedError) else 0
    return status == _TOO_LARGE or (large and status == _TOO_MANY)
