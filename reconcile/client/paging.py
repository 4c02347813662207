"""The ways in which Jira cuts a list into pages, each with a guard against lists that do not end.

Also: several requests at a time (the client bounds how many are really under way), and a page's elements decoded one
by one, so that one unreadable element does not cost the others.
"""

import asyncio
import re
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Iterable,
    Iterator,
    Sequence,
)
from itertools import islice
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from reconcile.client.endpoints import Endpoint
from reconcile.client.jira_errors import JiraRefusedError, PagingError

_T = TypeVar("_T")
_Decoded = TypeVar("_Decoded", covariant=True)

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
    def total(self) -> int | None:
        """How many things the list has in all, if Jira says so."""
        ...

    @property
    def size(self) -> int:
        """How many things the page holds."""
        ...

    @property
    def keys(self) -> Sequence[Hashable]:
        """What tells its things apart."""
        ...


Offset = TypeVar("Offset", bound=OffsetPage)

_REMEMBERED = 20_000
"""Elements of one list whose keys are remembered."""

_EMPTY_PAGES = 50
"""Pages in a row that may be empty while Jira gives a token for the next: what may not be seen is hidden from them."""

_OLD_PAGES = 1_000
"""Pages in a row that may bring nothing new where offsets are known to count."""

_FAR = 10_000_000
"""Further than any list reaches."""


class SeenElements:
    """Notices a page that brings nothing new.

    Memory stays bounded: the keys of the latest elements are remembered, and of all pages the one at a power of two, so
    that a circle of whatever length is noticed within twice its length (Brent's algorithm).
    """

    def __init__(self) -> None:
        self._keys: dict[int, None] = {}
        self._pages = 0
        self._anchor = 0
        self._next_anchor = 1

    def remember(self, keys: Iterable[Hashable]) -> bool:
        """Remember a page by the keys of its elements; return whether it brought any that is new."""
        page = {hash(key) for key in keys}
        whole = hash(frozenset(page))
        new = not page <= self._keys.keys() and not (self._pages and whole == self._anchor)
        self._pages += 1
        if self._pages == self._next_anchor:
            self._anchor, self._next_anchor = whole, self._next_anchor * 2
        for key in page:
            self._keys.pop(key, None)
            self._keys[key] = None
        for key in list(islice(self._keys, max(0, len(self._keys) - _REMEMBERED))):
            del self._keys[key]
        return new


class SeenTokens:
    """Notices a token that was given before, and a page given again under another token: both are loops.

    Only the last few tokens are remembered, so memory stays bounded: a loop of pages repeats the one just read, or goes
    back to the first.
    """

    def __init__(self, endpoint: Endpoint, begun: str | None = None) -> None:
        self._endpoint = endpoint
        self._kept = [begun] if begun else []
        self._pages = 0
        self._empty = 0
        self._elements = SeenElements()

    def check(self, token: str, keys: Collection[Hashable] | None = None) -> str:
        """Return the token of the next page.

        Args:
            token: As Jira gave it.
            keys: What tells the elements of the page apart that it came with.

        Raises:
            PagingError: It was given before, its page brings nothing new, or there were far too many pages.
        """
        self._pages += 1
        if token in self._kept or self._pages > MOST_PAGES or (keys is not None and self._is_old(keys)):
            raise _repeats(self._endpoint)
        self._kept = [*self._kept[:8], *self._kept[8:][-8:], token]
        return token

    def _is_old(self, keys: Collection[Hashable]) -> bool:
        if keys:
            self._empty = 0
            return not self._elements.remember(keys)
        self._empty += 1
        return self._empty > _EMPTY_PAGES


def _repeats(endpoint: Endpoint) -> PagingError:
    return PagingError(
        f"{endpoint.name}: Jira repeats a page instead of going on, so that this list ends here and may lack the rest"
    )


async def by_offset(
    endpoint: Endpoint, ask: Callable[[int], Awaitable[Offset]], *, start: int = 0, until_empty: bool = False
) -> AsyncIterator[Offset]:
    """Yield the pages of a list that is read by offset.

    Short pages are normal: Jira cuts first and hides what may not be seen afterwards. So the next offset is counted
    by what came; what comes twice that way has to be sorted out by the caller. Where a page brings nothing new, a look
    far behind the end tells whether that is why, or Jira takes no notice of the offset. Whatever a page says of being
    the last, the list goes on while Jira counts more than its pages reach; where page after page is empty, it ends.

    Args:
        endpoint: For errors.
        ask: Asks for the page at an offset.
        start: The first offset.
        until_empty: Whether only an empty page ends the list, as for a bare array.

    Raises:
        PagingError: A page brings nothing new, or there were far too many pages.
    """
    seen, old, empty = SeenElements(), 0, 0
    for _ in range(MOST_PAGES):
        page = await ask(start)
        old = 0 if not page.keys or seen.remember(page.keys) else old + 1
        empty = 0 if page.size else empty + 1
        if page.size:
            yield page
        if (until_empty and not page.size) or (not until_empty and _is_end(page, start)) or empty > _EMPTY_PAGES:
            return
        if old > _OLD_PAGES or (old == 1 and await _is_ignored(ask, start + _FAR)):
            raise _repeats(endpoint)
        start += page.size or page.max_results or 1
    raise PagingError(f"{endpoint.name}: Jira's pages do not end")


def _is_end(page: OffsetPage, start: int) -> bool:
    if page.is_last is False:
        return not page.size and page.total is not None and start >= page.total
    return not page.size or (page.total or 0) <= start + max(page.size, page.max_results or 0)


async def _is_ignored(ask: Callable[[int], Awaitable[Offset]], far: int) -> bool:
    try:
        return bool((await ask(far)).size)
    except JiraRefusedError:
        return False


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


class ElementDecoder(Protocol[_Decoded]):
    """Decodes one element."""

    def decode(self, element: msgspec.Raw, /) -> _Decoded:
        """Decode it; raises ValueError or RecursionError."""
        ...


def decoded_elements(
    decoder: ElementDecoder[_T], elements: Sequence[msgspec.Raw], unreadable: Callable[[], None]
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
