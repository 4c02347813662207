"""Look at a site: ask log and warehouse, a few questions at a time, and keep the answers for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from console.page.arrivals import last_webhook_kept
from console.page.chart import draw
from console.page.headcounts import Headcounts, read_headcounts
from console.page.kept import Kept
from console.page.overview import Overview
from console.page.page import Page
from console.page.people import People, read_people
from console.page.pipelinestate import PipelineState, PipelineWatch, accepted_here, plain
from console.page.wanted import Wanted
from rollcall.errors import RollcallError, WarehouseUnavailableError

T = TypeVar("T")

COUNTS_SECONDS = 10.0
PEOPLE_SECONDS = 10.0
STATE_SECONDS = 2.0
"""How long answers are kept: as old as what is shown may be."""

_AT_ONCE = 2
"""Queries at once: the warehouse has few threads, and the consumers need them."""

_PATIENCE = 30.0
"""Seconds for a query, waiting for its turn included."""


class Look:
    """Looks at sites for the page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._watch = PipelineWatch(page)
        self._counts: Kept[str, tuple[Headcounts, str]] = Kept(self._read_counts, COUNTS_SECONDS)
        self._arrivals: Kept[str, datetime | None] = Kept(self._read_arrival, COUNTS_SECONDS)
        self._people: Kept[Wanted, People] = Kept(self._read_people, PEOPLE_SECONDS)
        self._state: Kept[str, PipelineState] = Kept(lambda _: self._watch.look(), STATE_SECONDS)

    async def overview(self, site: str) -> Overview:
        """Return the upper part of the page; trouble is told in it, not raised."""
        zone, notices = self._page.settings.sites[site].zone(), self._page.notices()
        state = await self._state.get("")
        try:
            (counts, chart), kept = await asyncio.gather(self._counts.get(site), self._arrivals.get(site))
        except RollcallError as error:
            return Overview(site, zone, state, notices, accepted_here(site), trouble=plain(error))
        known = [moment for moment in (accepted_here(site), kept) if moment]
        return Overview(site, zone, state, notices, max(known, default=None), counts, chart)

    async def people(self, wanted: Wanted) -> People:
        """Return a page of people. Raises WarehouseUnavailableError."""
        return await self._people.get(wanted)

    async def _read_counts(self, site: str) -> tuple[Headcounts, str]:
        counts = await self._in_turn(lambda: read_headcounts(self._page.warehouse, site))
        return counts, draw(counts)

    async def _read_arrival(self, site: str) -> datetime | None:
        return await self._in_turn(lambda: last_webhook_kept(self._page.warehouse, site))

    async def _read_people(self, wanted: Wanted) -> People:
        return await self._in_turn(lambda: read_people(self._page.warehouse, wanted))

    async def _in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        if not self._page.prepared():
            raise WarehouseUnavailableError("the warehouse is being prepared, which takes a few seconds")
        try:
            async with asyncio.timeout(_PATIENCE), self._turns:
                return await ask()
        except TimeoutError:
            raise WarehouseUnavailableError(f"the warehouse gave no answer within {_PATIENCE:g} s") from None
