"""Seats in the warehouse: the settings that the view ``seats`` judges by, each day's counts, and what reports read.

The verdict is the view's alone (`schema/0007_lighter_seats.sql`). It knows the settings by a row a site, written at
each start.
The money is computed here, from the counts and the prices of the settings, also that of each day's counts, which the
view ``seat_days`` has for dashboards; without prices there is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from rollcall.bill import bill_of
from rollcall.settings import SeatsSettings
from rollcall.warehouse.client import WHOLE, Row, Slice, Warehouse


class Verdict(StrEnum):
    """What is said of somebody's seat, in the order in which it is judged: the first that holds."""

    ACTIVE = "active"
    READER = "reader"
    EXEMPT = "exempt"
    NEW = "new"
    UNSEEN = "unseen"
    NEVER = "never"
    IDLE = "idle"


VERDICTS = tuple(one.value for one in Verdict)
"""The columns of counts by verdict."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""In UTC, to the millisecond."""


class SeatRow(msgspec.Struct, kw_only=True):
    """A product that somebody holds, with the verdict and its evidence."""

    site: str
    product: str
    account_id: str
    name: str
    email: str | None
    verdict: Verdict
    since: Moment | None
    did_at: Moment | None
    did_elsewhere_at: Moment | None
    looked_at: Moment | None
    looked_as_of: Moment | None
    known_since: date | None
    holds_since: Moment | None
    granted_by: list[str]
    exempt_reason: str | None
    exempt_until: date | None
    why: str


SEATS = SeatRow.__struct_fields__
"""The columns of the view, as reports and exports show them."""

_COUNTED = (
    "site",
    "product",
    "seats",
    "held",
    *VERDICTS,
    "currency",
    "period",
    "bill",
    "bill_after",
    "saving",
    "saving_from",
)
"""What is kept of each day."""

_SETTINGS = "SELECT site, idle_days, new_days, coverage_line, products, exemptions FROM seat_settings FINAL"


async def record_seat_settings(warehouse: Warehouse, sites: Iterable[str], seats: SeatsSettings) -> None:
    """Record what the settings say of seats, where that changed.

    Args:
        warehouse: Where.
        sites: Names of the sites.
        seats: The settings.

    Raises:
        WarehouseUnavailableError: Not recorded; run it again.
    """
    known = {row["site"]: row for row in await warehouse.query(_SETTINGS)}
    rows = [_row(site, seats) for site in sites]
    changed = [row for row in rows if _comparable(row) != _comparable(known.get(row["site"]))]
    if changed:
        await warehouse.insert_lines("seat_settings", [msgspec.json.encode(row) for row in changed])


def _row(site: str, seats: SeatsSettings) -> dict[str, Any]:
    return {
        "site": site,
        "idle_days": seats.idle_days,
        "new_days": seats.new_days,
        "coverage_line": seats.coverage_line,
        "products": [(key, seats.idle_days_of(key), seats.new_days_of(key)) for key in seats.products],
        "exemptions": [
            (one.group, one.account_id, one.reason, one.until) for one in seats.exempt if one.site in ("", site)
        ],
    }


def _comparable(row: Mapping[str, Any] | None) -> bytes:
    """Return a row as text, to tell whether it says the same as another."""
    return msgspec.json.encode(None if row is None else dict(row))


async def count_seats(warehouse: Warehouse, site: str, settings: SeatsSettings) -> None:
    """Write the counts of today, in the site's time zone, and what they cost; of several of one day the last counts.

    Args:
        warehouse: Where.
        site: Name of the site.
        settings: The prices.

    Raises:
        WarehouseUnavailableError: Not written; run it again.
    """
    [clock] = await warehouse.query("SELECT toString(now64(6, 'UTC')) AS began")
    rows = [
        {"day": row["today"], "counted_at": clock["began"], **{name: row[name] for name in _COUNTED}}
        for row in await read_savings(warehouse, settings, [site])
    ]
    if rows:
        await warehouse.insert_lines("seat_day_counts", [msgspec.json.encode(row) for row in rows])


_SEATS = """
WITH (SELECT any((today, toString(timezone))) FROM site_days WHERE site = {site:String}) AS here
SELECT * FROM seats
WHERE site = {site:String} AND (empty({product:String}) OR product = {product:String})
    AND (empty({verdicts:Array(String)}) OR has({verdicts:Array(String)}, verdict))
    AND ifNull(here.1 - toDate(formatDateTime(
        greatest(ifNull(did_at, looked_at), ifNull(looked_at, did_at)), '%F', here.2)) >= {days:UInt32}, 1)
"""
_SEATS_ORDER = "product, indexOf({order:Array(String)}, verdict), since, account_id"
_NOW = """
SELECT counts.*, days.today AS today
FROM seat_counts AS counts INNER JOIN site_days AS days ON days.site = counts.site
WHERE counts.site = {site:String} AND (empty({product:String}) OR counts.product = {product:String})
ORDER BY counts.product
"""

_DAYS = [14, 30, 45, 60, 90, 120, 180]
"""The thresholds."""

# Each active day after which nothing came for so many days is one time that somebody reached the threshold; it counts
# once 30 more days tell whether they came back. The last day of all stands before a gap that has not ended.
_THRESHOLDS = """
WITH
    people AS (SELECT account_id, status FROM accounts WHERE site = {site:String} AND account_type = 'atlassian'),
    (SELECT any(today) FROM site_days WHERE site = {site:String}) AS today,
    gaps AS
    (
        SELECT
            account_id, days[n] AS day,
            if(n = length(days), 100000, toUInt32(days[n + 1] - days[n])) AS gap
        FROM
        (
            SELECT account_id, arraySort(groupUniqArray(day)) AS days
            FROM user_day_states
            WHERE site = {site:String} AND account_id IN (SELECT account_id FROM people)
            GROUP BY account_id
        )
        ARRAY JOIN arrayEnumerate(days) AS n
    ),
    thresholds AS (SELECT arrayJoin({thresholds:Array(UInt32)}) AS days),
    reached AS
    (
        SELECT
            thresholds.days AS days,
            countIf(gaps.gap > thresholds.days AND today >= gaps.day + thresholds.days + 30) AS reached,
            countIf(gaps.gap > thresholds.days AND today >= gaps.day + thresholds.days + 30
                AND gaps.gap <= thresholds.days + 30) AS returned
        FROM gaps CROSS JOIN thresholds
        GROUP BY days
    ),
    idle AS
    (
        SELECT thresholds.days AS days, countIf(toInt32(today - last.day) >= thresholds.days) AS people
        FROM
        (
            SELECT account_id, max(day) AS day FROM gaps
            WHERE account_id IN (SELECT account_id FROM people WHERE status = 'active')
                AND account_id IN (SELECT account_id FROM held_seats WHERE site = {site:String})
            GROUP BY account_id
        ) AS last CROSS JOIN thresholds
        GROUP BY days
    )
SELECT
    {site:String} AS site, thresholds.days AS days, reached.reached AS reached, reached.returned AS returned,
    if(reached.reached = 0, NULL, reached.returned / reached.reached) AS share, idle.people AS idle_now
FROM thresholds
LEFT JOIN reached ON reached.days = thresholds.days
LEFT JOIN idle ON idle.days = thresholds.days
ORDER BY days
"""

# What verdicts would be at each threshold, from the evidence that the view gives whatever its verdict. The rules are
# the view's; a test holds this against the view under settings with each of the thresholds.
_AT_EACH = """
WITH
    (SELECT any((today, toString(timezone))) FROM site_days WHERE site = {site:String}) AS here,
    evidence AS
    (
        SELECT
            product, known_since,
            toDate(formatDateTime(did_at, '%F', here.2)) AS did,
            toDate(formatDateTime(looked_at, '%F', here.2)) AS looked,
            ifNull(toDate(formatDateTime(looked_as_of, '%F', here.2)) > here.1 - 3, 0) AS is_told,
            exempt_reason IS NOT NULL OR ifNull(here.1 - toDate(formatDateTime(holds_since, '%F', here.2))
                < transform(product, {keys:Array(String)}, {new_days:Array(UInt32)}, {new:UInt32}), 0) AS stays
        FROM seats
        WHERE site = {site:String} AND (empty({product:String}) OR product = {product:String})
    )
SELECT
    days, product, here.1 AS today, count() AS held,
    countIf(is_unused AND is_known) AS reclaimable, countIf(is_unused AND NOT is_known) AS unseen
FROM
(
    SELECT
        toInt32(thresholds.days) AS days, evidence.product AS product,
        is_told AND NOT (looked IS NULL AND ifNull(known_since > here.1 - days + 1, 1)) AS is_known,
        NOT (stays OR ifNull(did > here.1 - days, 0) OR (is_told AND ifNull(looked > here.1 - days, 0))) AS is_unused
    FROM evidence CROSS JOIN (SELECT arrayJoin({thresholds:Array(UInt32)}) AS days) AS thresholds
)
GROUP BY days, product
ORDER BY days, product
"""


async def read_seats(
    warehouse: Warehouse,
    sites: Sequence[str],
    product: str = "",
    verdicts: Sequence[str] = (),
    days: int = 0,
    cut: Slice = WHOLE,
) -> list[Row]:
    """Read every seat of some sites, with its verdict and evidence.

    Args:
        warehouse: Where.
        sites: Names of the sites.
        product: Key of the only product; empty for all.
        verdicts: The only verdicts; none for all.
        days: Only whose last act in the product, and last look at it, are so many days ago or more, or who have none.
        cut: Which of each site's seats.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    chosen: dict[str, Any] = {
        "product": product,
        "verdicts": [str(one) for one in verdicts],
        "days": days,
        "order": [*VERDICTS],
    }
    query = _SEATS + cut.clause(_SEATS_ORDER)
    return [row for site in sites for row in await warehouse.query(query, {"site": site, **chosen})]


async def read_savings(
    warehouse: Warehouse, settings: SeatsSettings, sites: Sequence[str], product: str = ""
) -> list[Row]:
    """Read each product's counts by verdict, and its bill now and without the seats that nobody uses.

    Args:
        warehouse: Where.
        settings: The prices.
        sites: Names of the sites.
        product: Key of the only product; empty for all.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    rows: list[Row] = []
    for site in sites:
        for row in await warehouse.query(_NOW, {"site": site, "product": product}):
            reclaimable = row["idle"] + row["never"]
            bill = bill_of(settings.products.get(row["product"]), row["held"], reclaimable, row["today"])
            money = {
                "currency": bill.currency,
                "period": bill.period,
                "reclaimable": reclaimable,
                "bill": bill.now,
                "bill_after": bill.after,
                "saving": bill.saving,
                "saving_from": bill.saving_from,
            }
            rows.append({**row, **money})
    return rows


async def read_thresholds(
    warehouse: Warehouse, settings: SeatsSettings, sites: Sequence[str], product: str = ""
) -> list[Row]:
    """Read how often people reached each threshold and came back, who is past it now, and which seats it would free.

    Args:
        warehouse: Where.
        settings: The prices, and for how long a seat is new.
        sites: Names of the sites.
        product: Key of the only product whose seats are looked at; empty for all.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    given: dict[str, Any] = {
        "product": product,
        "keys": [*settings.products],
        "new_days": [settings.new_days_of(key) for key in settings.products],
        "new": settings.new_days,
    }
    rows: list[Row] = []
    for site in sites:
        seats = await warehouse.query(_AT_EACH, {"site": site, "thresholds": _DAYS, **given})
        for row in await warehouse.query(_THRESHOLDS, {"site": site, "thresholds": _DAYS}):
            here = [one for one in seats if one["days"] == row["days"]]
            counts = {name: sum(one[name] for one in here) for name in ("reclaimable", "unseen")}
            rows.append({**row, **counts, "savings": _savings(settings, here)})
    return rows


def _savings(settings: SeatsSettings, products: Sequence[Row]) -> list[str]:
    """Say what it saves to free seats, a text for each currency and period of which all bills are known."""
    sums: dict[tuple[str, str], Decimal | None] = {}
    for row in products:
        bill = bill_of(settings.products.get(row["product"]), row["held"], row["reclaimable"], row["today"])
        if bill.currency and bill.period:
            key = (bill.currency, bill.period)
            before = sums.get(key, Decimal(0))
            sums[key] = None if bill.saving is None or before is None else before + bill.saving
    return [f"{currency} {saved:.2f} a {period}" for (currency, period), saved in sums.items() if saved is not None]
