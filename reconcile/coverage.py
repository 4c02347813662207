"""Coverage: what the webhooks had brought of what REST knows, and whether that fell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from reconcile.state.checkpoint import Found
from reconcile.state.window import Window
from rollcall.errors import WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse

log = logger(__name__)

_WORTH_A_WORD = 20
"""Facts on a day below which a share means little."""


class CoveredDay(NamedTuple):
    """A reporting day: the facts that REST knows, and how many of them a webhook had brought."""

    day: date
    known: int
    by_webhook: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of the window.

    Attributes:
        days: Its days, those without facts left out.
        low: Days below the warning, with their share.
        ever: Whether a webhook ever brought a fact of this site.
    """

    days: Sequence[CoveredDay]
    low: Sequence[tuple[date, float]]
    ever: bool

    @property
    def known(self) -> int:
        """Facts that REST knows."""
        return sum(day.known for day in self.days)

    @property
    def by_webhook(self) -> int:
        """Those that a webhook had brought."""
        return sum(day.by_webhook for day in self.days)

    @property
    def share(self) -> float | None:
        """Share brought by webhooks; None without facts."""
        return self.by_webhook / self.known if self.known else None


async def read_coverage(reader: Warehouse, settings: Settings, site: str, window: Window) -> Coverage | None:
    """Read the coverage of the window's days; None when the warehouse cannot be queried.

    Days up to and including that of the first webhook are not warned about: before it there was none to miss.
    """
    days = window.days(settings.sites[site].zone())[1:-1]
    try:
        rows = await reader.query(
            "SELECT day, known, by_webhook FROM webhook_coverage_daily "
            "WHERE site = {site:String} AND day BETWEEN {first:Date} AND {last:Date} ORDER BY day",
            {"site": site, "first": days[0], "last": days[-1]},
        )
        begun = await _first_webhook(reader, settings, site)
    except WarehouseUnavailableError:
        return None
    return _coverage([CoveredDay(row["day"], row["known"], row["by_webhook"]) for row in rows], settings, begun)


async def coverage_of_dry_run(found: Found, reader: Warehouse | None, settings: Settings, site: str) -> Coverage | None:
    """Return the coverage of what a run found without writing it; None when it could not be compared.

    The warehouse's own view knows only what earlier runs wrote.

    Args:
        found: What the run found.
        reader: Says when the first webhook came; None where there is no warehouse yet.
        settings: The settings.
        site: Name of the site in them.
    """
    if found.unjudged:
        return None
    try:
        begun = await _first_webhook(reader, settings, site) if reader else None
    except WarehouseUnavailableError:
        return None
    days = sorted(found.judged_days.items())
    return _coverage(
        [CoveredDay(date.fromisoformat(day), known, found.webhook_days[day]) for day, known in days], settings, begun
    )


def _coverage(days: Sequence[CoveredDay], settings: Settings, begun: date | None) -> Coverage:
    limit = settings.reconcile.coverage_warning
    low = [(one.day, one.by_webhook / one.known) for one in days if _is_low(one, limit, begun)]
    return Coverage(days, low, ever=begun is not None)


async def _first_webhook(reader: Warehouse, settings: Settings, site: str) -> date | None:
    rows = await reader.query(
        "SELECT min(webhook_received_at) AS first FROM activity_sources WHERE site = {site:String}", {"site": site}
    )
    first = rows[0]["first"] if rows else None
    # An empty table answers with the epoch where the column cannot be NULL in the aggregate.
    if first is None or first.year < 2002:
        return None
    return first.astimezone(settings.sites[site].zone()).date()  # type: ignore[no-any-return]  # rows are untyped


def _is_low(one: CoveredDay, limit: float, begun: date | None) -> bool:
    if begun is None or one.day < begun + timedelta(days=1):
        return False
    return one.known >= _WORTH_A_WORD and one.by_webhook / one.known < limit


def warn_of_coverage(name: str, coverage: Coverage | None) -> None:
    """Warn of days of a site on which webhooks brought too little."""
    if coverage is None or not coverage.known:
        return
    if not coverage.ever:
        log.warning("no webhook has brought anything yet; is it registered (`rollcall webhook list`)?", site=name)
    for day, share in coverage.low:
        log.warning(
            "webhooks brought too little; look at `rollcall check`", site=name, day=f"{day}", share=round(share, 3)
        )
