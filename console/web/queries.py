"""The page's queries: a few at a time to log and warehouse, each answer cached for a moment.

So many requests for the page cost the warehouse one query.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar

from console.received import Received, ask_received
from console.reports import REPORTS, Asked
from console.row_format import JSON
from console.row_format import plain as written
from console.web.chart import draw
from console.web.overview import (
    Headcounts,
    Overview,
    Page,
    PipelineState,
    PipelineWatch,
    last_webhook_stored,
    plain,
    read_headcounts,
    received_here,
)
from console.web.people import People, Person, TableQuery, read_people, read_person
from console.web.pipeline_health import Health, read_health
from console.web.seat_reports import Found, ReportQuery, SeatReport
from console.web.seats import SeatExport, SeatList, SeatQuery, read_groups, read_seat_export, read_seat_list
from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.warehouse import Row
from rollcall.warehouse.seats import read_savings

T = TypeVar("T")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Loads values by key and caches each for some seconds; those who want one being loaded share the load.

    An error is raised to all who waited for it and is not cached.

    Args:
        load: Makes the value of a key.
        seconds: How long a value is cached.
        most: How many values are cached at once; the least recently used goes first.
    """

    def __init__(self, load: Callable[[K], Awaitable[V]], seconds: float, most: int = 64) -> None:
        self._load = load
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[K, tuple[float, asyncio.Future[V]]] = OrderedDict()

    async def get(self, key: K) -> V:
        """Return the value of a key. Raises what loading raises."""
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(key)
        if entry is None or now >= entry[0]:
            entry = self._begin(key)
        self._entries.move_to_end(key)
        return await asyncio.shield(entry[1])  # one viewer who leaves must not spoil it for the others

    def _begin(self, key: K) -> tuple[float, "asyncio.Future[V]"]:
        loading = asyncio.ensure_future(self._load(key))
        loading.add_done_callback(lambda future: self._loaded(key, future))
        entry = (float("inf"), loading)
        self._entries[key] = entry
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)
        return entry

    def _loaded(self, key: K, future: "asyncio.Future[V]") -> None:
        entry = self._entries.get(key)
        failed = future.cancelled() or future.exception() is not None
        if entry is None or entry[1] is not future:
            return
        if failed:
            del self._entries[key]
        else:
            self._entries[key] = (future.get_loop().time() + self._seconds, future)


COUNTS_SECONDS = 10.0
PEOPLE_SECONDS = 10.0
SEATS_SECONDS = 60.0
STATE_SECONDS = 2.0
"""How long answers are cached: as old as what is shown may be."""

_AT_ONCE = 2
"""Queries at once: the warehouse has few threads, and the consumers need them."""

_REPORTS_CACHED = 4
"""Parts of reports, which may be some megabytes each."""

_QUERY_TIMEOUT = 30.0
"""Seconds for a query, waiting for a slot included."""


class PageQueries:
    """Reads what the page shows of a site, from log and warehouse."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._metrics_token = page.runtime.settings.metrics_secret()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._watch = PipelineWatch(page)
        self._counts: Cache[str, tuple[Headcounts, str]] = Cache(self._read_counts, COUNTS_SECONDS)
        self._arrivals: Cache[str, datetime | None] = Cache(self._read_arrival, COUNTS_SECONDS)
        self._people: Cache[TableQuery, People] = Cache(self._read_people, PEOPLE_SECONDS)
        self._savings: Cache[str, list[Row]] = Cache(self._read_savings, SEATS_SECONDS)
        self._groups: Cache[str, list[str]] = Cache(self._read_groups, SEATS_SECONDS)
        self._seats: Cache[SeatQuery, SeatList] = Cache(self._read_seats, SEATS_SECONDS)
        self._found: Cache[tuple[SeatReport, ReportQuery], Found] = Cache(self._read_found, SEATS_SECONDS)
        self._persons: Cache[tuple[str, str], Person | None] = Cache(self._read_person, SEATS_SECONDS)
        self._health: Cache[str, Health] = Cache(self._read_health, COUNTS_SECONDS)
        self._exports = asyncio.Semaphore(1)
        self._reports: Cache[Asked, list[bytes]] = Cache(self._read_report, COUNTS_SECONDS, most=_REPORTS_CACHED)
        self._received: Cache[str, Received] = Cache(lambda _: self._ask_received(), STATE_SECONDS)
        self._state: Cache[str, PipelineState] = Cache(lambda _: self._watch.look(), STATE_SECONDS)

    async def overview(self, site: str) -> Overview:
        """Return the upper part of the page; trouble is part of it, not raised."""
        zone, notices = self._page.runtime.settings.sites[site].zone(), self._page.notices()
        state = await self._state.get("")
        received = await self._what_came()
        here, refused = received.last.get(site), received.refused_lately(site)
        try:
            (counts, chart), stored = await asyncio.gather(self._counts.get(site), self._arrivals.get(site))
        except RollcallError as error:
            return Overview(site, zone, state, notices, here, trouble=plain(error), refused=refused)
        known = [moment for moment in (here, stored) if moment]
        return Overview(site, zone, state, notices, max(known, default=None), counts, chart, refused=refused)

    async def people(self, query: TableQuery) -> People:
        """Return a page of people. Raises WarehouseUnavailableError."""
        return await self._people.get(query)

    async def savings(self, site: str) -> list[Row]:
        """Return each product's counts and bill, as the report has them. Raises WarehouseUnavailableError."""
        return await self._savings.get(site)

    async def groups(self, site: str) -> list[str]:
        """Return the groups that grant a product. Raises WarehouseUnavailableError."""
        return await self._groups.get(site)

    async def seats(self, query: SeatQuery) -> SeatList:
        """Return a page of seats. Raises WarehouseUnavailableError."""
        return await self._seats.get(query)

    async def found(self, report: SeatReport, query: ReportQuery) -> Found:
        """Return what a report of seats finds. Raises WarehouseUnavailableError."""
        return await self._found.get((report, query))

    async def health(self, site: str) -> Health:
        """Return how the pipeline of a site does. Raises RollcallError."""
        return await self._health.get(site)

    async def person(self, site: str, account: str) -> Person | None:
        """Return one account of a site; None where none has that id. Raises WarehouseUnavailableError."""
        return await self._persons.get((site, account))

    async def seat_export(self, query: SeatQuery) -> SeatExport:
        """Return all seats of a query, which may be large: one at a time. Raises WarehouseUnavailableError."""
        async with self._exports:
            return await self._limited(lambda: read_seat_export(self._page.runtime.warehouse, query))

    async def report(self, asked: Asked) -> list[bytes]:
        """Return rows of a report, each as JSON, as the command writes them. Raises WarehouseUnavailableError."""
        return await self._reports.get(asked)

    async def _read_report(self, asked: Asked) -> list[bytes]:
        declared, runtime = REPORTS[asked.report], self._page.runtime
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT), self._exports:
                rows = await self._limited(
                    lambda: declared.read(runtime.warehouse, runtime.settings, asked.site, asked.only, asked.cut)
                )
        except TimeoutError:
            raise WarehouseUnavailableError("too many reports are asked for at once") from None
        columns = declared.row.__struct_fields__
        return await asyncio.to_thread(
            lambda: [JSON.encode({name: written(row[name]) for name in columns}) for row in rows]
        )

    async def _what_came(self) -> Received:
        return await self._received.get("") if self._page.listen else received_here()

    async def _read_health(self, site: str) -> Health:
        state, received, stored = await asyncio.gather(self._state.get(""), self._what_came(), self._arrivals.get(site))
        known = [moment for moment in (received.last.get(site), stored) if moment]
        last = max(known, default=None)
        return await self._limited(lambda: read_health(self._page.runtime, site, state, received, last))

    async def _read_person(self, key: tuple[str, str]) -> Person | None:
        return await self._limited(lambda: read_person(self._page.runtime.warehouse, *key))

    async def _read_savings(self, site: str) -> list[Row]:
        settings = self._page.runtime.settings.seats
        return await self._limited(lambda: read_savings(self._page.runtime.warehouse, settings, [site]))

    async def _read_found(self, key: tuple[SeatReport, ReportQuery]) -> Found:
        report, query = key
        settings = self._page.runtime.settings.seats
        return await self._limited(lambda: report.read(self._page.runtime.warehouse, settings, query))

    async def _read_groups(self, site: str) -> list[str]:
        return await self._limited(lambda: read_groups(self._page.runtime.warehouse, site))

    async def _read_seats(self, query: SeatQuery) -> SeatList:
        return await self._limited(lambda: read_seat_list(self._page.runtime.warehouse, query))

    async def _read_counts(self, site: str) -> tuple[Headcounts, str]:
        counts = await self._limited(lambda: read_headcounts(self._page.runtime.warehouse, site))
        return counts, draw(counts)

    async def _read_arrival(self, site: str) -> datetime | None:
        return await self._limited(lambda: last_webhook_stored(self._page.runtime.warehouse, site))

    async def _ask_received(self) -> Received:
        """Ask the process that takes webhooks, where it can be reached; nothing is known of it elsewhere."""
        return await ask_received(self._page.runtime.settings.listen, self._metrics_token) or Received()

    async def _read_people(self, query: TableQuery) -> People:
        return await self._limited(lambda: read_people(self._page.runtime.warehouse, query))

    async def _limited(self, query: Callable[[], Awaitable[T]]) -> T:
        if not self._page.prepared():
            raise WarehouseUnavailableError("the warehouse is being prepared, which takes a few seconds")
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT), self._slots:
                return await query()
        except TimeoutError:
            raise WarehouseUnavailableError(f"the warehouse gave no answer within {_QUERY_TIMEOUT:g} s") from None
