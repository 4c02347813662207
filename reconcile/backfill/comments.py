"""Comments that do not come with an issue: how many a search embeds is not documented (20 and 100 have been seen).

``total`` counts all. Edits of old comments count, so that all comments are needed and not only the newest.
"""

from collections.abc import AsyncIterator, Iterator

import msgspec

from reconcile.backfill.context import FEW_ATTEMPTS, BackfillContext, entity_facts
from reconcile.client.endpoints import COMMENTS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraError, JiraUnavailableError, NotThereError, PagingError
from reconcile.client.paging import MOST_PAGES, SeenElements, decoded_elements
from reconcile.responses import ENTITY, Comments
from rollcall.jira.values import IssueRef
from rollcall.records import Activity

_COMMENTS_A_PAGE = 100
"""Jira gives no more at once (measured by others)."""
_FEWEST_A_PAGE = 6
"""Where a page of 100 fails, 25 and then 6 are requested."""

COMMENTS_OF = "comments of issue"


class _CommentId(msgspec.Struct, frozen=True):
    id: int | str


_COMMENT_ID = msgspec.json.Decoder(_CommentId)


def is_cut(embedded: Comments | None) -> bool:
    """Return whether the issue has comments that did not come with it."""
    return embedded is None or embedded.total is None or embedded.total > len(embedded.comments)


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
        await context.tolerate(error)
        context.failures[COMMENTS_OF] += 1
        context.note(COMMENTS_OF, error, [ref.issue_id])
    else:
        context.failures[COMMENTS_OF] = 0


def comment_facts(context: BackfillContext, comments: list[msgspec.Raw], ref: IssueRef) -> Iterator[Activity]:
    """Yield the facts of comments that lie in the window."""
    for comment in decoded_elements(ENTITY, comments, context.unreadable):
        yield from entity_facts(context.facts, "comment", comment, ref, context.unreadable)


async def other_comments(
    jira: JiraClient, issue_id: int, embedded: Comments | None, attempts: int = FEW_ATTEMPTS
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
        async for page in _comment_pages(jira, issue_id, start, attempts):
            total = page.total or 0
            seen |= _comment_ids(page.comments)
            yield page.comments
        if len(seen) >= total:
            return


async def _comment_pages(jira: JiraClient, issue_id: int, start: int, attempts: int) -> AsyncIterator[Comments]:
    size, seen = _COMMENTS_A_PAGE, SeenElements()
    for _ in range(MOST_PAGES):
        query = {"startAt": start, "maxResults": size, "orderBy": "created"}
        try:
            page = await jira.read(Comments, COMMENTS, issue_id, query=query, attempts=attempts)
        except JiraUnavailableError:
            size //= 4
            if size < _FEWEST_A_PAGE or attempts == 1:
                raise
            continue
        if page.comments and not seen.remember(page.keys):
            raise PagingError(f"{COMMENTS.name}: Jira repeats a page instead of going on")
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
