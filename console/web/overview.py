"""What the upper part of the page shows of a site: the pipeline's state, head counts, and what to do next.

The pipeline's state is what came in, what waits, what could not be understood, and whether the consumers run. `Page` is
what all of the page is read from.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from console.dead_letter_queue import DeadLetterQueue
from console.received import Received, Refused, read_received
from reconcile.progress import Notice
from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.eventlog import TopicState
from rollcall.metrics import WEBHOOK_LAST, WEBHOOK_REFUSED_LAST, WEBHOOKS
from rollcall.runtime import WAREHOUSE_GROUP, StoredRuntime
from rollcall.warehouse import Warehouse


def at_once() -> bool:
    """The warehouse was prepared by somebody else."""
    return True


def no_notices() -> Sequence[Notice]:
    """Nothing is under way."""
    return ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the page stands on.

    Attributes:
        runtime: The warehouse that the numbers come from, and the log whose state is shown.
        consumers: Raises RollcallError, with the trouble as its text, unless every consumer runs; None in a process
            that has no consumers.
        prepared: Whether the warehouse has its tables; until then the page does not query it.
        notices: What is under way now; called for every view of the page.
        listen: The address that the page is served on, when it is not the one of the settings.
        once: Token of the one-time sign-in address; empty where there is none.
    """

    runtime: StoredRuntime
    consumers: Callable[[], Awaitable[None]] | None = None
    prepared: Callable[[], bool] = at_once
    notices: Callable[[], Sequence[Notice]] = no_notices
    listen: str = ""
    once: str = ""


_LAST = """
SELECT max(activity_sources.webhook_received_at) AS last FROM activity_sources
WHERE site = {site:String} AND webhook_received_at >= {since:DateTime64(3, 'UTC')}
"""
_LATELY = timedelta(days=3)
"""Looked at first, by an index: most sites have a webhook in so many days."""


async def last_webhook_stored(warehouse: Warehouse, site: str) -> datetime | None:
    """Return when the last webhook that brought a fact was received. Raises WarehouseUnavailableError."""
    for since in (datetime.now(UTC) - _LATELY, datetime.fromtimestamp(0, UTC)):
        last: datetime | None = (await warehouse.query(_LAST, {"site": site, "since": since}))[0]["last"]
        if last is not None:
            return last
    return None


_CREDENTIALS = re.compile(r"://[^/\s@]*@")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PipelineState:
    """How the pipeline stands.

    Attributes:
        waiting: Records on the log that are not in the warehouse yet.
        log_bytes: Size of the log.
        dead_letters: Dead letters that are open.
        log_trouble: Why the log cannot be read; empty when it can, else the numbers above are 0.
        consumer_trouble: Why consumers do not run; empty when they do; None in a process without consumers.
    """

    waiting: int = 0
    log_bytes: int = 0
    dead_letters: int = 0
    log_trouble: str = ""
    consumer_trouble: str | None = None


class PipelineWatch:
    """Looks at the pipeline."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._runtime = page.runtime
        self._queue = DeadLetterQueue(page.runtime)

    async def look(self) -> PipelineState:
        """Return how the pipeline stands now; trouble is part of it, not raised."""
        consumers = await self._consumers()
        try:
            activity, directory, letters = await asyncio.gather(
                *(self._runtime.log.state(topic.name) for topic in self._runtime.topics.all())
            )
            open_letters = await self._queue.count_open(letters)
        except RollcallError as error:
            return PipelineState(log_trouble=plain(error), consumer_trouble=consumers)
        return PipelineState(
            waiting=_waiting(activity) + _waiting(directory),
            log_bytes=activity.bytes + directory.bytes + letters.bytes,
            dead_letters=open_letters,
            consumer_trouble=consumers,
        )

    async def _consumers(self) -> str | None:
        if self._page.consumers is None:
            return None
        try:
            await self._page.consumers()
        except RollcallError as error:
            return plain(error)
        return ""


def plain(error: Exception) -> str:
    """Return an error's text fit for the page: short, and without credentials of any address in it."""
    return _CREDENTIALS.sub("://…@", str(error))[:_LONGEST]


def received_here() -> Received:
    """Return what this process took and refused of webhooks since it began."""
    return read_received([*WEBHOOKS.collect(), *WEBHOOK_LAST.collect(), *WEBHOOK_REFUSED_LAST.collect()])


def _waiting(state: TopicState) -> int:
    return state.lag.get(WAREHOUSE_GROUP, state.records)


CHART_DAYS = 30

_TODAY = """
SELECT today, (SELECT minOrNull(day) FROM active_users_daily WHERE site = {site:String}) AS first
FROM site_days WHERE site = {site:String}
"""
_COUNTS = """
SELECT day, active, comment, history, worklog, active_7d, active_30d
FROM active_users_daily
WHERE site = {site:String} AND day >= {today:Date} - {days:UInt32} AND day <= {today:Date}
"""


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many people were active on a day, in all and by family; all None before the first fact of the site."""

    day: date
    active: int | None = None
    comment: int | None = None
    history: int | None = None
    worklog: int | None = None


@dataclass(frozen=True, slots=True)
class Headcounts:
    """The last 30 days of a site, oldest first; the last of them is today in its reporting time zone.

    Attributes:
        days: The days.
        today: People active today, which is not over.
        week: People active in the last 7 days.
        month: People active in the last 30 days.
        week_before: People active in the 7 days before those; None where not all of them are known.
        month_before: People active in the 30 days before, likewise.
    """

    days: tuple[DayCount, ...]
    today: int
    week: int
    month: int
    week_before: int | None = None
    month_before: int | None = None

    @property
    def known(self) -> bool:
        """Whether any activity is known."""
        return any(count.active is not None for count in self.days)

    @property
    def day(self) -> date:
        """Today, in the site's reporting time zone."""
        return self.days[-1].day


async def read_headcounts(warehouse: Warehouse, site: str) -> Headcounts:
    """Read the head counts of a site.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried, or does not know the site yet.
    """
    known = await warehouse.query(_TODAY, {"site": site})
    if not known:
        raise WarehouseUnavailableError("the warehouse does not know this site yet, it is being prepared")
    today: date = known[0]["today"]
    rows = await warehouse.query(_COUNTS, {"site": site, "today": today, "days": CHART_DAYS})
    by_day = {row["day"]: row for row in rows}
    days = [today - timedelta(days=before) for before in reversed(range(CHART_DAYS))]
    first: date | None = known[0]["first"]

    def before(days: int) -> int | None:
        """Return who was active in so many days before the last ones, if every one of them is known."""
        end = today - timedelta(days=days)
        if first is None or first > end - timedelta(days=days - 1):
            return None
        count: int = by_day.get(end, {}).get(f"active_{days}d", 0)
        return count

    now = by_day.get(today, {"active": 0, "active_7d": 0, "active_30d": 0})
    return Headcounts(
        days=tuple(_count(day, by_day.get(day)) for day in days),
        today=now["active"],
        week=now["active_7d"],
        month=now["active_30d"],
        week_before=before(7),
        month_before=before(30),
    )


def _count(day: date, row: dict[str, int] | None) -> DayCount:
    if row is None:
        return DayCount(day)
    return DayCount(day, row["active"], row["comment"], row["history"], row["worklog"])


class Stage(Enum):
    """How far a site is set up."""

    NO_WEBHOOK = "no webhook yet"
    NOTHING_COUNTED = "webhooks arrive, none counted yet"
    NO_WEBHOOK_BUT_COUNTED = "activity is known, though no webhook has come"
    COUNTING = "webhooks arrive and are counted"


@dataclass(frozen=True, slots=True)
class Overview:
    """The upper part of the page.

    Attributes:
        site: Name of the site.
        zone: Its reporting time zone.
        pipeline: How the pipeline stands.
        notices: What is under way.
        last_webhook: When the last webhook of the site came; None when none is known.
        counts: The head counts; None when the warehouse cannot be queried.
        chart: The chart as SVG; empty with the counts.
        trouble: Why there are no counts.
        refused: Posts to the site, or to none, that were refused lately.
        now: When this was put together.
    """

    site: str
    zone: ZoneInfo
    pipeline: PipelineState
    notices: Sequence[Notice] = ()
    last_webhook: datetime | None = None
    counts: Headcounts | None = None
    chart: str = ""
    trouble: str = ""
    refused: Sequence[Refused] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def stage(self) -> Stage:
        """How far the site is set up."""
        counted = self.counts is not None and self.counts.known
        if self.last_webhook is None:
            return Stage.NO_WEBHOOK_BUT_COUNTED if counted else Stage.NO_WEBHOOK
        return Stage.COUNTING if counted else Stage.NOTHING_COUNTED
