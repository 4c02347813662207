"""The comments of an issue: those that came with the search, and the rest only where there are more.

How many comments a search embeds is not documented (20 and 100 have been seen); ``total`` tells. Edits of old comments
count, so that all comments are needed and not only the newest.
"""

from collections.abc import AsyncIterator

import msgspec

from reconcile.client.endpoints import COMMENTS
from reconcile.client.errors import PagingError
from reconcile.client.jira import JiraClient
from reconcile.client.paging import MOST_PAGES
from reconcile.shapes.entries import Comments

_PAGE = 100
"""Jira gives no more at once (measured by others)."""


class _Id(msgspec.Struct, frozen=True):
    id: int | str


_ID = msgspec.json.Decoder(_Id)


def is_cut(embedded: Comments | None) -> bool:
    """Tell whether the issue has comments that did not come with it."""
    return embedded is None or embedded.total is None or embedded.total > len(embedded.comments)


async def other_comments(
    jira: JiraClient, issue_id: int, embedded: Comments | None
) -> AsyncIterator[list[msgspec.Raw]]:
    """Yield the comments that did not come with the issue, page by page; some may come twice.

    Raises:
        NotThereError: The issue is gone.
        JiraError: Jira could not be asked.
    """
    had = embedded.comments if embedded else []
    seen = _ids(had)
    total = 0
    # Were the embedded ones not the oldest, or was one deleted while pages were turned, then the count falls short
    # and all are read from the start.
    for start in dict.fromkeys((len(had), 0)):
        async for page in _pages(jira, issue_id, start):
            total = page.total or 0
            seen |= _ids(page.comments)
            yield page.comments
        if len(seen) >= total:
            return


async def _pages(jira: JiraClient, issue_id: int, start: int) -> AsyncIterator[Comments]:
    for _ in range(MOST_PAGES):
        query = {"startAt": start, "maxResults": _PAGE, "orderBy": "created"}
        page = await jira.read(Comments, COMMENTS, issue_id, query=query)
        yield page
        start += len(page.comments)
        if not page.comments or start >= (page.total or 0):
            return
    raise PagingError(f"{COMMENTS.name}: the comments of issue {issue_id} do not end")


def _ids(comments: list[msgspec.Raw]) -> set[str]:
    found = set()
    for comment in comments:
        try:
            found.add(str(_ID.decode(comment).id))
        except (ValueError, RecursionError):
            continue
    return found
