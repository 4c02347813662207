"""What the upper part of the page shows of a site: head counts, the pipeline's state, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from console.received import Refused
from console.web.pipeline import PipelineState
from reconcile.progress import Notice
from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Warehouse

CHART_DAYS = 30

_TODAY = "SELECT today FROM site_days WHERE site = {site:String}"
_COUNTS = """
SELECT day, active, comment, history, worklog, active_7d, active_30d
FROM active_users_daily
WHERE site = {site:String} AND day > {today:Date} - {days:UInt32} AND day <= {today:Date}
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
    """The last 30 days of a site, oldest first; the last of them is today in its reporting time zone."""

    days: tuple[DayCount, ...]
    today: int
    week: int
    month: int

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
    now = by_day.get(today, {"active": 0, "active_7d": 0, "active_30d": 0})
    return Headcounts(
        days=tuple(_count(day, by_day.get(day)) for day in days),
        today=now["active"],
        week=now["active_7d"],
        month=now["active_30d"],
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
