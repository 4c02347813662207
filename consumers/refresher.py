"""The refresher: rollups computed again where writers touched them, beside the writing and at bounded cost.

What is touched is remembered in this process only. Whoever takes over its partitions, after a crash or a rebalance,
computes everything once, so nothing is left behind.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta

from consumers.writers import Touched, TouchedSites
from rollcall.errors import WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.settings import SiteSettings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.rollups import (
    refresh_accounts,
    refresh_counts,
    refresh_coverage,
    refresh_days,
    touched_days,
)

log = logger(__name__)

_PAUSE_SECONDS = 0.5
"""Shortest time between two computations while facts keep coming."""
_SHARE = 9
"""A computation is followed by a pause of so many times its length: at most a tenth of the time goes into them. Not so
one for partitions taken over, which is long and comes once: the first facts after a start would wait for that."""
_REBALANCE_SECONDS = 2.0
"""How long partitions taken over later than at the start wait: members go and come one after the other, and each time
all of a group's processes would compute everything."""
_LAST_SECONDS = 10.0
"""How long the last computation before the end may take; what it leaves is left to the next start."""
_KNOWN_DAYS = 3
"""Views look for themselves so many days back; what is older, `account_rollup` has to know."""
_ACCOUNTS_SECONDS = 12 * 3600.0
"""Accounts are computed so long after a fact at the latest: days slip out of what views look at."""
_COVERED_DAYS = 45
"""How far back one who takes over computes all coverage; of older days, those that the warehouse has noted."""


class Refresher:
    """Computes rollups again where writers touched them.

    Args:
        warehouse: Where.
        touched: What writers touched.
        sites: The settings' sites, for their time zones.
    """

    def __init__(self, warehouse: Warehouse, touched: TouchedSites, sites: Mapping[str, SiteSettings]) -> None:
        self._warehouse = warehouse
        self._touched = touched
        self._zones = {name: site.zone() for name, site in sites.items()}
        self._types: dict[str, dict[str, str]] = {}
        self._last: dict[str, dict[str, int]] = {}
        self._due: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._took_over = False

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Compute nothing meanwhile: what was read before an erasure is not to be written after it."""
        async with self._lock:
            yield

    async def settle(self) -> None:
        """Compute what was touched. Raises WarehouseUnavailableError; what was touched then stays noted."""
        async with self._lock:
            taken = self._touched.take()
            for site in [site for site, due in self._due.items() if time.monotonic() >= due]:
                taken.setdefault(site, Touched())
            self._took_over = any(touched.is_taken for touched in taken.values())
            while taken:
                site, touched = taken.popitem()
                try:
                    await self._refresh(site, touched)
                except BaseException:
                    for left, what in {**taken, site: touched}.items():
                        self._touched.back(left, what)
                    raise

    async def run(self, stop: asyncio.Event) -> None:
        """Compute what writers touch, until the stop and once more. The warehouse's outages are waited out."""
        stopped = asyncio.create_task(stop.wait())
        refreshing = asyncio.create_task(self._keep_refreshing())
        try:
            await asyncio.wait({stopped, refreshing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopped, refreshing):
                task.cancel()
            await asyncio.wait({stopped, refreshing})
        if not refreshing.cancelled():
            refreshing.result()
        with suppress(TimeoutError, WarehouseUnavailableError):
            await asyncio.wait_for(self.settle(), _LAST_SECONDS)

    async def _keep_refreshing(self) -> None:
        rebalancing = _PAUSE_SECONDS  # at the start they are taken one by one, and what waits there comes along
        while True:
            with suppress(TimeoutError):
                due = min(self._due.values(), default=float("inf")) - time.monotonic()
                await asyncio.wait_for(self._touched.any.wait(), min(max(due, 0.0), _ACCOUNTS_SECONDS))
            if self._touched.is_taken:
                await asyncio.sleep(rebalancing)
                rebalancing = _REBALANCE_SECONDS
            began = time.monotonic()
            try:
                await self.settle()
            except WarehouseUnavailableError as error:
                log.debug("rollups wait for the warehouse", cause=str(error))  # the consumers tell of that
            share = 0 if self._took_over else _SHARE
            await asyncio.sleep(max(_PAUSE_SECONDS, share * (time.monotonic() - began)))

    async def _refresh(self, site: str, touched: Touched) -> None:
        if touched.is_taken or touched.has_snapshot:
            await self._accounts(site)
            await refresh_counts(self._warehouse, site)
        elif await self._touches_accounts(site, touched):
            before = self._types[site]
            await self._accounts(site)
            if any(self._types[site].get(account) != kind for account, kind in before.items()):
                await refresh_counts(self._warehouse, site)
        elif touched.days:
            self._due.setdefault(site, time.monotonic() + _ACCOUNTS_SECONDS)
        await refresh_days(self._warehouse, site, touched.days)
        if touched.is_taken:
            await refresh_coverage(self._warehouse, site, await self._left_days(site))

    async def _left_days(self, site: str) -> list[date]:
        """Return the days whose coverage somebody else may have left undone."""
        today = datetime.now(self._zones[site]).date()
        since = today - timedelta(days=_COVERED_DAYS)
        recent = [since + timedelta(days=n) for n in range(_COVERED_DAYS + 1)]
        return [*recent, *await touched_days(self._warehouse, site, since)]

    async def _accounts(self, site: str) -> None:
        await refresh_accounts(self._warehouse, site)
        self._types[site] = await self._known(site)
        self._due.pop(site, None)

    async def _touches_accounts(self, site: str, touched: Touched) -> bool:
        if site not in self._types:
            self._types[site] = await self._known(site)
        known, last = self._types[site], self._last[site]
        recent = (time.time() - _KNOWN_DAYS * 86_400) * 1000
        return (
            any(known.get(account) != kind and (kind or account not in known) for account, kind in touched.accounts)
            or any(last.get(account, 0) < at < recent for account, at in touched.latest.items() if account)
            or time.monotonic() >= self._due.get(site, float("inf"))
        )

    async def _known(self, site: str) -> dict[str, str]:
        rows = await self._warehouse.query(
            "SELECT account_id, account_type, "
            "toUnixTimestamp64Milli(ifNull(last_at, toDateTime64(0, 3, 'UTC'))) AS last "
            "FROM account_rollup FINAL WHERE site = {site:String}",
            {"site": site},
        )
        self._last[site] = {row["account_id"]: row["last"] for row in rows}
        return {row["account_id"]: row["account_type"] for row in rows}
