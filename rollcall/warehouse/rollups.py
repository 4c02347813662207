"""Rollups: what reports are answered from, computed again for the days, accounts and seats that facts touched.

``user_day_states`` and ``account_month_states`` are kept by the engine, insert by insert. Head counts, accounts, seats
and coverage are not sums of inserts: a fact brought twice, an account's type learned late or a month rebuilt change
them in ways that no state could follow. So they are computed anew from states and directory where they were touched,
and the row computed last counts.

Right for several who compute side by side: a row carries the server's time at which its statement began, before it read
anything. Whoever inserts facts computes after that; so the row with the latest time has read those facts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from rollcall.warehouse.client import Warehouse

_ZONE = """
if({timezone:String} != '', {timezone:String},
    (SELECT if(any(timezone) = '', 'UTC', any(timezone)) FROM sites FINAL WHERE site = {site:String}))
"""

_LAST_DATE = date(2149, 6, 6)
_AHEAD = timedelta(days=400)
"""Zeros are written so far ahead: until then nobody has to compute for a day to be shown on which nobody was active."""
_WINDOW = timedelta(days=29)
"""Days after an act on which its author still counts as active in 30 days."""


# A month's days moved to their place in a block of days.
_MOVED = """
if(place < 0, bitShiftRight(toUInt64(DAYS), toUInt8(-place)), bitShiftLeft(toUInt64(DAYS), toUInt8(place)))
"""

# An account's days as bits of one number: 29 days before a block of 32 days, and the block. To be active in the 7 or 30
# days until a day is to have one of as many bits, which five shifts tell of all days at once. A month's days, and the
# 29 after them, lie in two or three blocks.
_MASKS = f"""
SELECT
    account_id, block, bits, comment_bits, history_bits, worklog_bits,
    bitOr(bits, bitShiftLeft(bits, 1)) AS of_2,
    bitOr(of_2, bitShiftLeft(of_2, 2)) AS of_4,
    bitOr(of_4, bitShiftLeft(of_4, 3)) AS of_7,
    bitOr(of_4, bitShiftLeft(of_4, 4)) AS of_8,
    bitOr(of_8, bitShiftLeft(of_8, 8)) AS of_16,
    bitOr(of_16, bitShiftLeft(of_16, 14)) AS of_30
FROM
(
    SELECT
        account_id, block,
        groupBitOr({_MOVED.replace("DAYS", "days")}) AS bits,
        groupBitOr({_MOVED.replace("DAYS", "comment_days")}) AS comment_bits,
        groupBitOr({_MOVED.replace("DAYS", "history_days")}) AS history_bits,
        groupBitOr({_MOVED.replace("DAYS", "worklog_days")}) AS worklog_bits
    FROM
    (
        SELECT
            account_id, days, comment_days, history_days, worklog_days, toInt32(month) AS number,
            arrayJoin(range(toUInt32(intDiv(number, 32)), toUInt32(intDiv(number + 59, 32) + 1))) AS block,
            number + 29 - toInt32(block) * 32 AS place
        FROM account_month_states
        WHERE site = {{site:String}} AND month >= toStartOfMonth({{first:Date}} - 29) AND month <= {{last:Date}}
    )
    GROUP BY account_id, block
)
"""  # noqa: S608 - constants of this file


# How many have each of a block's days in some bits, as an array.
_SUMS = "sumForEach(arrayMap(n -> toUInt64(bitTest(%s, 29 + n)), range(32)))"

_PEOPLE = "SELECT account_id FROM account_rollup FINAL WHERE site = {site:String} AND account_type = 'atlassian'"

_HEADCOUNTS = f"""
INSERT INTO headcount_rollup
    (site, day, timezone, active, comment, history, worklog, active_7d, active_30d, computed_at, gone)
WITH
    now64(6, 'UTC') AS began,
    counted AS
    (
        SELECT
            toDate(block * 32 + n) AS day, actives[n + 1] AS active, comments[n + 1] AS comment,
            histories[n + 1] AS history, worklogs[n + 1] AS worklog,
            weeks[n + 1] AS active_7d, months[n + 1] AS active_30d
        FROM
        (
            SELECT
                block, {_SUMS % "bits"} AS actives, {_SUMS % "comment_bits"} AS comments,
                {_SUMS % "history_bits"} AS histories, {_SUMS % "worklog_bits"} AS worklogs,
                {_SUMS % "of_7"} AS weeks, {_SUMS % "of_30"} AS months
            FROM ({_MASKS})
            WHERE account_id IN ({_PEOPLE})
            GROUP BY block
        )
        ARRAY JOIN range(32) AS n
    ),
    (
        SELECT ifNull(minOrNull(day), {{never:Date}}) FROM headcount_rollup FINAL
        WHERE site = {{site:String}} AND active > 0 AND (day < {{first:Date}} OR day > {{last:Date}})
    ) AS first_elsewhere
SELECT
    {{site:String}}, calendar.day, {_ZONE}, counted.active, counted.comment, counted.history, counted.worklog,
    counted.active_7d, counted.active_30d, began,
    -- Days before the site's first one are not shown.
    calendar.day < least(first_elsewhere, min(if(counted.active > 0, calendar.day, {{never:Date}})) OVER ())
FROM (SELECT {{first:Date}} + number AS day FROM numbers(toUInt64({{last:Date}} - {{first:Date}} + 1))) AS calendar
LEFT JOIN counted ON counted.day = calendar.day
"""  # noqa: S608 - constants of this file

# The directory's parts as two arrays of one order, found once: each look at the view costs as much as all else.
_PARTS = "(SELECT (groupArray(part), groupArray(snapshot_id)) FROM current_parts WHERE site = {site:String}) AS parts"
_CURRENT = """
has(parts.2, snapshot_id) AND snapshot_id = parts.2[
            indexOf(parts.1, if(has(parts.1, concat(KIND, ':', OF) AS part_of), part_of, kind))]
""".strip()
_CURRENT_LICENSES = _CURRENT.replace("KIND", "'licenses' AS kind").replace("OF", "toString(product)")
_CURRENT_ROLES = _CURRENT.replace(
    "KIND", "if(scope IN ('site admin', 'product access', 'group'), 'roles', 'projects') AS kind"
).replace("OF", "toString(scope)")

_ACCOUNTS = f"""
INSERT INTO account_rollup
    (site, account_id, timezone, display_name, email, account_type, status, licenses, roles, last_at, computed_at, gone)
WITH
    now64(6, 'UTC') AS began,
    {_PARTS},
    days AS
    (
        SELECT account_id, max(states.last_at) AS last_at
        FROM account_month_states AS states WHERE site = {{site:String}} GROUP BY account_id
    ),
    held_licenses AS
    (
        SELECT account_id, arraySort(groupUniqArray(toString(product))) AS licenses
        FROM directory_licenses FINAL
        WHERE site = {{site:String}} AND {_CURRENT_LICENSES}
        GROUP BY account_id
    ),
    held_roles AS
    (
        SELECT account_id, arraySort(groupUniqArray(concat(toString(role), ' (', toString(scope), ')'))) AS roles
        FROM directory_roles FINAL
        WHERE site = {{site:String}} AND {_CURRENT_ROLES}
        GROUP BY account_id
    )
SELECT
    {{site:String}}, accounts.account_id, {_ZONE}, accounts.display_name, accounts.email, accounts.account_type,
    accounts.status, held_licenses.licenses, held_roles.roles,
    if(days.account_id = '', NULL, CAST(days.last_at, 'Nullable(DateTime64(3, ''UTC''))')), began, 0
FROM accounts
LEFT JOIN days ON days.account_id = accounts.account_id
LEFT JOIN held_licenses ON held_licenses.account_id = accounts.account_id
LEFT JOIN held_roles ON held_roles.account_id = accounts.account_id
WHERE accounts.site = {{site:String}}
"""  # noqa: S608 - constants of this file

_LICENSES = f"""
INSERT INTO license_rollup (site, product, day, until, timezone, seats, assigned, active_30d, computed_at, gone)
WITH
    now64(6, 'UTC') AS began,
    {_ZONE} AS zone,
    {_PARTS},
    seats AS
    (
        SELECT toString(product) AS product, total
        FROM directory_seats FINAL
        WHERE site = {{site:String}} AND {_CURRENT_LICENSES}
    ),
    holders AS
    (
        SELECT account_id, toString(arrayJoin(licenses)) AS product
        FROM account_rollup FINAL WHERE site = {{site:String}} AND account_type = 'atlassian'
    ),
    assigned AS (SELECT product, count() AS people FROM holders GROUP BY product),
    active AS
    (
        SELECT product, toDate(block * 32 + n) AS day, months[n + 1] AS people
        FROM
        (
            SELECT holders.product AS product, masks.block AS block, {_SUMS % "masks.of_30"} AS months
            FROM ({_MASKS}) AS masks INNER JOIN holders ON holders.account_id = masks.account_id
            GROUP BY product, block
        )
        ARRAY JOIN range(32) AS n
    ),
    calendar AS
    (
        SELECT product, total, {{first:Date}} + arrayJoin(range(31)) AS day FROM seats
    )
SELECT
    {{site:String}}, calendar.product, calendar.day,
    if(calendar.day = {{first:Date}} + 30, {{never:Date}}, calendar.day), zone,
    calendar.total, assigned.people, active.people, began, 0
FROM calendar
LEFT JOIN assigned ON assigned.product = calendar.product
LEFT JOIN active ON active.product = calendar.product AND active.day = calendar.day
"""  # noqa: S608 - constants of this file

_COVERAGE = f"""
INSERT INTO coverage_rollup (site, day, known, by_webhook, computed_at, gone)
WITH
    now64(6, 'UTC') AS began,
    {_ZONE} AS zone,
    counted AS
    (
        SELECT
            toDate(formatDateTime(rest_at, '%F', zone)) AS day,
            count() AS known, countIf(webhook_at IS NOT NULL) AS by_webhook
        FROM
        (
            SELECT
                event_key, min(webhook_received_at) AS webhook_at, assumeNotNull(max(rest_occurred_at)) AS rest_at
            FROM activity_sources
            WHERE site = {{site:String}} AND event_key IN
            (
                SELECT event_key FROM activity_sources
                WHERE site = {{site:String}}
                    AND rest_occurred_at >= {{first:Date}} - 1 AND rest_occurred_at < {{last:Date}} + 2
            )
            GROUP BY event_key
        )
        GROUP BY day
    )
SELECT {{site:String}}, calendar.day, counted.known, counted.by_webhook, began, counted.known = 0
FROM (SELECT {{first:Date}} + number AS day FROM numbers(toUInt64({{last:Date}} - {{first:Date}} + 1))) AS calendar
LEFT JOIN counted ON counted.day = calendar.day
WHERE counted.known > 0
    OR calendar.day IN (SELECT day FROM coverage_rollup FINAL WHERE site = {{site:String}})
"""  # noqa: S608 - constants of this file

# What the newest computation of a site did not write is gone.
_GONE_ACCOUNTS = """
INSERT INTO account_rollup (site, account_id, computed_at, gone)
WITH now64(6, 'UTC') AS began
SELECT site, account_id, began, 1 FROM account_rollup FINAL
WHERE site = {site:String}
    AND computed_at < (SELECT max(computed_at) FROM account_rollup WHERE site = {site:String} AND gone = 0)
"""
_GONE_LICENSES = """
INSERT INTO license_rollup (site, product, day, computed_at, gone)
WITH now64(6, 'UTC') AS began
SELECT site, product, day, began, 1 FROM license_rollup FINAL
WHERE site = {site:String}
    AND computed_at < (SELECT max(computed_at) FROM license_rollup WHERE site = {site:String} AND gone = 0)
"""


_SPAN = """
SELECT
    toDate(formatDateTime(now64(3, 'UTC'), '%F', ZONE)) AS today,
    minOrNull(month) AS first_month, maxOrNull(month) AS last_month,
    (SELECT (minOrNull(day), maxOrNull(day)) FROM headcount_rollup WHERE site = {site:String}) AS counted,
    (SELECT count() FROM directory_seats WHERE site = {site:String}) AS seats
FROM account_month_states WHERE site = {site:String}
""".replace("ZONE", _ZONE)
_TOUCHED = """
SELECT touched.day AS day
FROM touched_days AS touched LEFT JOIN
(
    SELECT day, computed_at FROM coverage_rollup FINAL WHERE site = {site:String}
) AS computed ON computed.day = touched.day
WHERE touched.site = {site:String} AND touched.day < {since:Date}
GROUP BY touched.day
-- What a consumer inserted it did not compute at once; half an hour is more than any insert takes.
HAVING max(touched.touched_at) >= max(computed.computed_at) - 1800
ORDER BY day
"""
_COVERED = """
SELECT minOrNull(day) AS first, maxOrNull(day) AS last FROM
(
    SELECT arrayJoin([minOrNull(toDate(rest_occurred_at) - 1), maxOrNull(toDate(rest_occurred_at) + 1)]) AS day
    FROM activity_sources WHERE site = {site:String} AND rest_occurred_at IS NOT NULL
    UNION ALL
    SELECT arrayJoin([minOrNull(day), maxOrNull(day)]) FROM coverage_rollup WHERE site = {site:String}
)
"""


@dataclass(frozen=True, slots=True)
class _Span:
    """A site's day, the days of its facts, those that head counts are there of, and whether it has seats."""

    today: date
    acted: tuple[date, date] | None
    counted: tuple[date, date] | None
    has_seats: bool

    @classmethod
    async def of(cls, warehouse: Warehouse, site: str, timezone: str) -> "_Span":
        [row] = await warehouse.query(_SPAN, {"site": site, "timezone": timezone})
        first, last = row["first_month"], row["last_month"]
        acted = (first, last + timedelta(days=30)) if first else None
        counted = tuple(row["counted"])
        return cls(row["today"], acted, counted if counted[0] else None, row["seats"] > 0)


async def refresh_site(warehouse: Warehouse, site: str) -> None:
    """Compute all rollups of a site. Raises WarehouseUnavailableError: not all are computed."""
    await refresh_accounts(warehouse, site)
    await refresh_counts(warehouse, site)
    rows = await warehouse.query(_COVERED, {"site": site})
    first, last = rows[0]["first"], rows[0]["last"]
    if first is not None:
        await _refresh_coverage(warehouse, site, "", first, last)


async def refresh_counts(warehouse: Warehouse, site: str) -> None:
    """Compute the head counts of all of a site's days, and its seats. Raises WarehouseUnavailableError."""
    await _refresh_counts(warehouse, site, "", await _Span.of(warehouse, site, ""), None)
    await _caught_up(warehouse, "license_rollup")
    await warehouse.command(_GONE_LICENSES, {"site": site})


async def refresh_days(warehouse: Warehouse, site: str, days: Collection[date], timezone: str = "") -> None:
    """Compute the rollups that hang on the facts of some days of a site.

    Args:
        warehouse: Where.
        site: Name of the site.
        days: The days.
        timezone: The site's reporting time zone, where the warehouse has another yet.

    Raises:
        WarehouseUnavailableError: Not all are computed.
    """
    runs = _runs(days)
    if runs:
        span = await _Span.of(warehouse, site, timezone)
        for first, last in runs:
            await _refresh_counts(warehouse, site, timezone, span, (first, last + _WINDOW))
        await refresh_coverage(warehouse, site, days, timezone)


async def refresh_coverage(warehouse: Warehouse, site: str, days: Collection[date], timezone: str = "") -> None:
    """Compute a site's coverage of some days and those beside them. See `refresh_days`."""
    for first, last in _runs(days):
        await _refresh_coverage(warehouse, site, timezone, first - timedelta(days=1), last + timedelta(days=1))


async def touched_days(warehouse: Warehouse, site: str, since: date) -> list[date]:
    """Return days before `since` whose coverage may lack what REST brought. Raises WarehouseUnavailableError."""
    return [row["day"] for row in await warehouse.query(_TOUCHED, {"site": site, "since": since})]


def _runs(days: Collection[date]) -> list[tuple[date, date]]:
    """Return first and last days that hold the given ones, with a gap of a month or more between them."""
    runs: list[tuple[date, date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][1] <= _WINDOW:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


async def _refresh_counts(
    warehouse: Warehouse, site: str, timezone: str, span: _Span, days: tuple[date, date] | None
) -> None:
    """Compute head counts of some days, all where None or where they are not among those computed before."""
    first, last = days or (_LAST_DATE, _LAST_DATE)
    if days is None or span.counted is None or first < span.counted[0] or last > span.counted[1]:
        known = [span.today, *(span.acted or ()), *(span.counted or ())]
        first, last = min(first, *known), min(max(*known, span.today + _AHEAD), _LAST_DATE)
    await _caught_up(warehouse, "account_month_states", "account_rollup", "headcount_rollup")
    parameters = {"site": site, "timezone": timezone, "first": first, "last": last, "never": _LAST_DATE}
    await warehouse.command(_HEADCOUNTS, parameters)
    if last >= span.today and span.has_seats:
        ahead = {"first": span.today, "last": span.today + _WINDOW}
        await warehouse.command(_LICENSES, parameters | ahead)


async def refresh_accounts(warehouse: Warehouse, site: str, timezone: str = "") -> None:
    """Compute what is known of a site's accounts. See `refresh_days`."""
    await _caught_up(warehouse, "account_month_states", "account_types", "directory_users", "directory_snapshots")
    await warehouse.command(_ACCOUNTS, {"site": site, "timezone": timezone})
    await _caught_up(warehouse, "account_rollup")
    await warehouse.command(_GONE_ACCOUNTS, {"site": site})


_MONTH = timedelta(days=31)


async def _refresh_coverage(warehouse: Warehouse, site: str, timezone: str, first: date, last: date) -> None:
    await _caught_up(warehouse, "activity_sources", "coverage_rollup")
    while first <= last:
        upto = min(first + _MONTH, last)
        await warehouse.command(_COVERAGE, {"site": site, "timezone": timezone, "first": first, "last": upto})
        first = upto + timedelta(days=1)


async def _caught_up(warehouse: Warehouse, *tables: str) -> None:
    """On a cluster, wait until it does not matter which replica the next statement runs on."""
    for table in tables:
        if statement := warehouse.cluster.caught_up(table):
            await warehouse.command(statement)
