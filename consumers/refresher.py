"""The refresher: which rollups the facts and snapshots that were written touch, computed again at bounded cost.

What is touched is remembered in this process only. Whoever takes over its partitions, after a crash or a rebalance,
computes everything once, so nothing is left behind.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from rollcall.errors import WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.records import Activity
from rollcall.settings import SiteSettings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.rollups import refresh_accounts, refresh_counts, refresh_days, refresh_site

log = logger(__name__)

PAUSE_SECONDS = 1.0
"""Shortest time between two computations while facts keep coming."""
_SHARE = 9
"""A computation is followed by a pause of so many times its length: at most a tenth of the time goes into them."""
_KNOWN_DAYS = 3
"""Views look for themselves so many days back; what is older, `account_rollup` has to know."""
_ACCOUNTS_SECONDS = 12 * 3600.0
"""Accounts are computed at least so often: days slip out of what views look at."""
_COVERED_DAYS = 45
"""How far back coverage is computed by one who takes over: beyond what a daily reconcile reads."""
_QUARTER = 900_000
"""Milliseconds of a quarter of an hour: within one, it is the same day in every time zone."""


class Refresher:
    """Computes rollups again where writers touched them.

    Args:
        warehouse: Where.
        sites: The settings' sites, for their time zones.
        pause: Shortest time between computations in seconds; 0 to compute after every batch.
    """

    def __init__(self, warehouse: Warehouse, sites: Mapping[str, SiteSettings], pause: float = 0.0) -> None:
        self._warehouse = warehouse
        self._zones = {name: ZoneInfo(site.timezone) for name, site in sites.items()}
        self._pause = pause
        self._next = 0.0
        self._days: dict[str, set[date]] = {}
        self._whole: dict[str, date | None] = {}
        self._unjudged: dict[str, set[tuple[str, str]]] = {}
        self._latest: dict[str, dict[str, int]] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._types: dict[str, dict[str, str]] = {}
        self._last: dict[str, dict[str, int]] = {}
        self._accounts_at: dict[str, float] = {}
        self._day_of: dict[tuple[str, int], date] = {}
        self._lock = asyncio.Lock()

    def touch(self, facts: Iterable[Activity]) -> None:
        """Note facts that are in the warehouse."""
        for fact in facts:
            self._days.setdefault(fact.site, set()).add(self._day(fact.site, fact.occurred_at))
            latest = self._latest.setdefault(fact.site, {})
            latest[fact.account_id] = max(latest.get(fact.account_id, 0), fact.occurred_at)
            seen = (fact.site, fact.account_id, fact.account_type)
            if fact.account_id and seen not in self._seen:
                self._seen.add(seen)
                self._unjudged.setdefault(fact.site, set()).add(seen[1:])

    def touch_site(self, site: str) -> None:
        """Note that anything of a site may have changed, such as by a snapshot of its directory."""
        self._whole[site] = None

    def touch_all(self) -> None:
        """Note that somebody else may have left anything of the last weeks, on any site."""
        for site, zone in self._zones.items():
            self._whole.setdefault(site, datetime.now(zone).date() - timedelta(days=_COVERED_DAYS))

    async def refresh(self) -> None:
        """Compute what was touched, unless that was done a moment ago. Raises WarehouseUnavailableError."""
        if time.monotonic() >= self._next:
            await self.settle()

    async def settle(self) -> None:
        """Compute what was touched. Raises WarehouseUnavailableError; what was touched then stays noted."""
        async with self._lock:
            began = time.monotonic()
            for site in {*self._days, *self._whole}:
                await self._refresh_site(site)
            ended = time.monotonic()
            self._next = ended + max(self._pause, _SHARE * (ended - began)) if self._pause else 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Compute what writers left to later, until the stop and once more."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
            except TimeoutError:
                await self._tried(self.refresh)
        await self._tried(self.settle)

    async def _tried(self, call: Callable[[], Awaitable[None]]) -> None:
        """Call, and leave it to the next time where the warehouse is away: the consumers tell of that."""
        try:
            await call()
        except WarehouseUnavailableError as error:
            log.debug("rollups wait for the warehouse", cause=str(error))

    def _day(self, site: str, moment: int) -> date:
        key = (site, moment // _QUARTER)
        if key not in self._day_of:
            if len(self._day_of) > 100_000:
                self._day_of.clear()
            self._day_of[key] = datetime.fromtimestamp(moment / 1000, self._zones.get(site, ZoneInfo("UTC"))).date()
        return self._day_of[key]

    async def _refresh_site(self, site: str) -> None:
        days, pairs, latest = self._days.pop(site, set()), self._unjudged.pop(site, set()), self._latest.pop(site, {})
        is_whole, since = site in self._whole, self._whole.pop(site, None)
        try:
            if is_whole:
                await refresh_site(self._warehouse, site, covered_since=since)
                self._types[site] = await self._known(site)
                self._accounts_at[site] = time.monotonic()
            elif await self._touches_accounts(site, latest, pairs):
                before = self._types[site]
                await refresh_accounts(self._warehouse, site)
                self._types[site] = now = await self._known(site)
                self._accounts_at[site] = time.monotonic()
                if any(now.get(account) != kind for account, kind in before.items()):
                    await refresh_counts(self._warehouse, site)
            await refresh_days(self._warehouse, site, days)
        except BaseException:
            self._days.setdefault(site, set()).update(days)
            self._unjudged.setdefault(site, set()).update(pairs)
            later = self._latest.get(site, {})
            self._latest[site] = latest | {one: max(at, latest.get(one, 0)) for one, at in later.items()}
            if is_whole:
                self._whole[site] = since
            raise

    async def _touches_accounts(self, site: str, latest: Mapping[str, int], pairs: set[tuple[str, str]]) -> bool:
        if site not in self._types:
            self._types[site] = await self._known(site)
        known, last = self._types[site], self._last[site]
        recent = (time.time() - _KNOWN_DAYS * 86_400) * 1000
        return (
            any(known.get(account) != kind and (kind or account not in known) for account, kind in pairs)
            or any(last.get(account, 0) < at < recent for account, at in latest.items() if account)
            or time.monotonic() - self._accounts_at.get(site, -_ACCOUNTS_SECONDS) >= _ACCOUNTS_SECONDS
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
