"""The ways in which Jira cuts a list into pages, each with a guard against lists that do not end.

Also: several requests at a time (the client bounds how many are really under way), and a page's elements decoded one
by one, so that one unreadable element does not cost the others.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from reconcile.client.endpoints import Endpoint
from reconcile.client.jira_errors import PagingError

_T = TypeVar("_T")

MOST_PAGES = 1_000_000
"""More pages than any list of Jira has."""

_MOMENT = re.compile("[0-9]{1,18}")


class OffsetPage(Protocol):
    """A page of a list that is read by offset."""

    @property
    def is_last(self) -> bool | None:
        """Whether it is the last one, if Jira says so."""
        ...

    @property
    def max_results(self) -> int | None:
        """How many things it could hold."""
        ...

    @property
    def size(self) -> int:
        """How many things the page holds."""
        ...


Offset = TypeVar("Offset", bound=OffsetPage)


class SeenTokens:
    """Notices a token that was given before: a loop.

    Only the last few are remembered, so memory stays bounded: a loop of pages repeats the one just read, or goes back
    to the first.
    """

    def __init__(self, endpoint: Endpoint, begun: str | None = None) -> None:
        self._endpoint = endpoint
        self._kept = [begun] if begun else []
        self._pages = 0

    def check(self, token: str) -> str:
        """Return the token.

        Raises:
            PagingError: It was given before, or there were far too many pages.
        """
        self._pages += 1
        if token in self._kept or self._pages > MOST_PAGES:
            raise PagingError(
                f"{self._endpoint.name}: Jira repeats a page instead of going on; the run stops here so that nothing "
                "is lost unseen, try it again with --resume"
            )
        self._kept = [*self._kept[:8], *self._kept[8:][-8:], token]
        return token


async def by_offset(
    endpoint: Endpoint, ask: Callable[[int], Awaitable[Offset]], *, until_empty: bool = False
) -> AsyncIterator[Offset]:
    """Yield the pages of a list that is read by offset.

    Short pages are normal: Jira cuts first and hides what may not be seen afterwards. So the next offset is counted
    by what came; what comes twice that way has to be sorted out by the caller.

    Args:
        endpoint: For errors.
        ask: Asks for the page at an offset.
        until_empty: Whether only an empty page ends the list, as for a bare array.

    Raises:
        PagingError: There were far too many pages.
    """
    start = 0
    for _ in range(MOST_PAGES):
        page = await ask(start)
        if page.size:
            yield page
        if (until_empty and not page.size) or (not until_empty and page.is_last is not False):
            return
        start += page.size or page.max_results or 1
    raise PagingError(f"{endpoint.name}: Jira's pages do not end")


def next_since(next_page: str | None) -> int | None:
    """Return the ``since`` of a worklog feed's ``nextPage``; its host is not looked at, it may be another's."""
    values = parse_qs(urlsplit(next_page or "").query).get("since", [])
    return int(values[0]) if values and _MOMENT.fullmatch(values[0]) else None


def id_of_link(link: str) -> str:
    """Return the number that ends a link, where Jira gives an id in no other way; empty when there is none."""
    last = link.rstrip("/").rpartition("/")[2]
    return last if last.isascii() and last.isdigit() else ""


async def gather_first_error(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of these; the first that fails ends the others.

    Raises:
        Exception: What the first one failed with, by itself and not in a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def decoded_elements(
    decoder: msgspec.json.Decoder[_T], elements: Sequence[msgspec.Raw], unreadable: Callable[[], None]
) -> Iterator[_T]:
    """Yield the elements that have the form the decoder knows.

    Args:
        decoder: Knows the form.
        elements: Raw JSON.
        unreadable: Called for every other element.
    """
    for element in elements:
        try:
            yield decoder.decode(element)
        except (ValueError, RecursionError):
            unreadable()
