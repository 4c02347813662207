"""Whether each rollup says what the raw facts say: the oracle of the tests, and of ``rollcall check --rollups``.

The raw answers are computed the long way, from ``activity FINAL``, the sources of facts and the directory. On a large
warehouse that takes minutes and memory, which no report does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rollcall.warehouse.client import Warehouse

_DAY = "toDate(formatDateTime(occurred_at, '%F', {timezone:String}))"
_TODAY = "toDate(formatDateTime(now64(3, 'UTC'), '%F', {timezone:String}))"
_PEOPLE = "(SELECT account_id FROM known_account_types WHERE site = {site:String} AND account_type = 'atlassian')"
_FACTS = f"""
SELECT {_DAY} AS fact_day, account_id, toString(family) AS kind, occurred_at
FROM activity FINAL WHERE site = {{site:String}} AND account_id != ''
"""  # noqa: S608 - constants of this file
_HELD = """
SELECT DISTINCT account_id, toString(product) AS product
FROM directory_licenses FINAL
WHERE site = {site:String} AND (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts)
    AND (site, snapshot_id, if((site, concat('licenses:', toString(product)) AS part_of)
        IN (SELECT site, part FROM current_parts), part_of, 'licenses'))
        IN (SELECT site, snapshot_id, part FROM current_parts)
"""
_INSIDE = f"(fact_day > {_TODAY} - 30 AND fact_day <= {_TODAY})"
_ACTIVE = f"SELECT DISTINCT account_id FROM ({_FACTS}) WHERE {_INSIDE}"  # noqa: S608 - constants of this file


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rollup and the same answer from raw facts: two queries of a site, whose rows must be the same."""

    name: str
    rollup: str
    raw: str


COMPARISONS = (
    Comparison(
        "user_days",
        "SELECT day, account_id, first_at, last_at, families FROM user_days WHERE site = {site:String}",
        f"""
        SELECT
            fact_day, account_id, min(occurred_at), max(occurred_at),
            groupBitOr(toUInt8(transform(kind, ['comment', 'history', 'worklog'], [1, 2, 4], 0)))
        FROM ({_FACTS}) GROUP BY fact_day, account_id
        """,  # noqa: S608 - constants of this file
    ),
    Comparison(
        "active_users_daily",
        """
        SELECT day, active, comment, history, worklog, active_7d, active_30d
        FROM active_users_daily WHERE site = {site:String} AND active_30d > 0
        """,
        f"""
        SELECT
            fact_day + later AS day, uniqExactIf(account_id, later = 0) AS active,
            uniqExactIf(account_id, later = 0 AND kind = 'comment'),
            uniqExactIf(account_id, later = 0 AND kind = 'history'),
            uniqExactIf(account_id, later = 0 AND kind = 'worklog'), uniqExactIf(account_id, later < 7),
            uniqExact(account_id)
        FROM (SELECT DISTINCT fact_day, account_id, kind FROM ({_FACTS}) WHERE account_id IN {_PEOPLE})
        ARRAY JOIN range(30) AS later
        GROUP BY day
        HAVING day <= {_TODAY} OR active > 0
        """,  # noqa: S608 - constants of this file
    ),
    Comparison(
        "user_usage_30d",
        """
        SELECT account_id, account_type, status, last_active_at, active_days, comments, changes, worklogs
        FROM user_usage_30d WHERE site = {site:String}
        """,
        f"""
        SELECT
            accounts.account_id, accounts.account_type, accounts.status,
            if(seen.account_id = '', NULL, CAST(seen.last_at, 'Nullable(DateTime64(3, ''UTC''))')),
            seen.days, seen.comments, seen.changes, seen.worklogs
        FROM accounts LEFT JOIN
        (
            SELECT
                account_id, max(occurred_at) AS last_at,
                uniqExactIf(fact_day, {_INSIDE}) AS days,
                countIf({_INSIDE} AND kind = 'comment') AS comments,
                countIf({_INSIDE} AND kind = 'history') AS changes,
                countIf({_INSIDE} AND kind = 'worklog') AS worklogs
            FROM ({_FACTS}) GROUP BY account_id
        ) AS seen ON seen.account_id = accounts.account_id
        WHERE accounts.site = {{site:String}}
        """,  # noqa: S608 - constants of this file
    ),
    Comparison(
        "license_usage_30d",
        "SELECT product, assigned, active FROM license_usage_30d WHERE site = {site:String} AND assigned > 0",
        f"""
        SELECT product, count(), countIf(account_id IN ({_ACTIVE}))
        FROM ({_HELD}) WHERE account_id IN {_PEOPLE} GROUP BY product
        """,  # noqa: S608 - constants of this file
    ),
    Comparison(
        "idle_licenses",
        "SELECT product, account_id FROM idle_licenses WHERE site = {site:String}",
        f"""
        SELECT product, account_id FROM ({_HELD})
        WHERE account_id IN {_PEOPLE} AND account_id NOT IN ({_ACTIVE})
        """,  # noqa: S608 - constants of this file
    ),
    Comparison(
        "webhook_coverage_daily",
        "SELECT day, known, by_webhook FROM webhook_coverage_daily WHERE site = {site:String}",
        """
        SELECT
            toDate(formatDateTime(assumeNotNull(rest_at), '%F', {timezone:String})) AS day,
            count(), countIf(webhook_at IS NOT NULL)
        FROM
        (
            SELECT event_key, min(webhook_received_at) AS webhook_at, max(rest_occurred_at) AS rest_at
            FROM activity_sources WHERE site = {site:String} GROUP BY event_key HAVING rest_at IS NOT NULL
        )
        GROUP BY day
        """,
    ),
)


async def differing_rows(warehouse: Warehouse, site: str, timezone: str) -> Mapping[str, int]:
    """Return how many rows each rollup of a site has that raw facts have not, or the other way round.

    Args:
        warehouse: Where; whose consumers have nothing under way, or what is under way differs.
        site: Name of the site in the settings.
        timezone: Its reporting time zone.

    Raises:
        WarehouseUnavailableError: It cannot be asked.
    """
    found = {}
    for one in COMPARISONS:
        rows = [await warehouse.query(sql, {"site": site, "timezone": timezone}) for sql in (one.rollup, one.raw)]
        kept, raw = ({tuple(row.values()) for row in some} for some in rows)
        found[one.name] = len(kept ^ raw)
    return found
