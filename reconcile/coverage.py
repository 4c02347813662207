"""Coverage: what the webhooks had brought of what REST knows, and whether that fell."""

from dataclasses import dataclass
from datetime import date, timedelta

from reconcile.window import Window
from rollcall.errors import WarehouseUnavailableError
from rollcall.settings import Settings
from rollcall.warehouse import Row, Warehouse

_WORTH_A_WORD = 20
"""Facts on a day below which a share means little."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of the window.

    Attributes:
        known: Facts that REST knows.
        by_webhook: Those that a webhook had brought.
        low: Days below the warning, with their share.
        ever: Whether a webhook ever brought a fact of this site.
    """

    known: int
    by_webhook: int
    low: tuple[tuple[date, float], ...]
    ever: bool

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
            "SELECT day, known, by_webhook, share FROM webhook_coverage_daily "
            "WHERE site = {site:String} AND day BETWEEN {first:Date} AND {last:Date} ORDER BY day",
            {"site": site, "first": days[0], "last": days[-1]},
        )
        begun = await _first_webhook(reader, settings, site)
    except WarehouseUnavailableError:
        return None
    limit = settings.reconcile.coverage_warning
    low = tuple((row["day"], row["share"]) for row in rows if _is_low(row, limit, begun))
    return Coverage(
        sum(row["known"] for row in rows), sum(row["by_webhook"] for row in rows), low, ever=begun is not None
    )


async def _first_webhook(reader: Warehouse, settings: Settings, site: str) -> date | None:
    rows = await reader.query(
        "SELECT min(webhook_received_at) AS first FROM activity_sources WHERE site = {site:String}", {"site": site}
    )
    first = rows[0]["first"] if rows else None
    # An empty table answers with the epoch where the column cannot be NULL in the aggregate.
    if first is None or first.year < 2002:
        return None
    return first.astimezone(settings.sites[site].zone()).date()  # type: ignore[no-any-return]  # rows are untyped


def _is_low(row: Row, limit: float, begun: date | None) -> bool:
    if begun is None or row["day"] < begun + timedelta(days=1):
        return False
    return bool(row["known"] >= _WORTH_A_WORD and row["share"] < limit)
