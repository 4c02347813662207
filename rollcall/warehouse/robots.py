"""Robots: holders of seats who behave like programs, by signs of the hours, the pace and the kind of what they do.

A program that acts by a person's account costs a seat; a service account costs none. The signs are judged here alone.
"""

from collections.abc import Sequence

import msgspec

from rollcall.warehouse.client import Row, Warehouse

LEAST_ACTS, LEAST_DAYS = 100, 10
"""Of fewer acts, or on fewer days, nothing is concluded: ten days are more than a week of migrating by bulk edits."""
QUIET_HOURS = 5
"""Round the clock: on three of four days never quiet for so long. Who sleeps is, on every other day at least, also who
works in shifts: only one that crosses midnight leaves a day without a night, and the day after has it."""
BURST = 20
"""A burst: so many acts within a minute of the clock, one every three seconds, which no hand keeps up. A bulk edit is
one too, so that they are a sign only on half of all active days."""
KIND_SHARE = 0.95
"""Of one kind: so much of all acts. People comment who also edit; who only logs work is like that, but sleeps."""
LEAST_SIGNS = 2
"""Each sign alone is also some people's way to work."""


class RobotRow(msgspec.Struct, kw_only=True):
    """An account of a person's type with a seat that behaves like a program, with the evidence."""

    site: str
    account_id: str
    name: str
    email: str | None
    products: list[str]
    acts: int
    active_days: int
    hours: int
    quiet_hours: float
    burst: int
    burst_days: int
    kind: str
    kind_share: float
    why: str


ROBOTS = RobotRow.__struct_fields__
"""The columns of accounts that behave like programs."""

# One look at the facts, which keeps four bytes of each: its minute. Who has too few days in the rollup is left out.
_ROBOTS = f"""
WITH
    (SELECT (any(toString(timezone)), any(today)) FROM site_days WHERE site = {{site:String}}) AS here,
    holders AS
    (
        SELECT account_id, display_name, email, licenses
        FROM account_rollup FINAL
        WHERE site = {{site:String}} AND account_type = 'atlassian' AND status = 'active' AND notEmpty(licenses)
            AND (empty({{product:String}}) OR has(licenses, {{product:String}}))
    ),
    regulars AS
    (
        SELECT account_id FROM user_day_states
        WHERE site = {{site:String}} AND here.2 - day < {{days:UInt32}} AND day <= here.2
            AND account_id IN (SELECT account_id FROM holders)
        GROUP BY account_id
        HAVING uniqExact(day) >= {LEAST_DAYS}
    ),
    facts AS
    (
        SELECT
            account_id, count() AS acts,
            arraySort(groupArray(toUInt32(intDiv(toUnixTimestamp(occurred_at), 60)))) AS minutes,
            sumMap(if(family = 'history' AND notEmpty(fields),
                arrayMap(one -> concat('field ', one), arrayDistinct(fields)),
                [concat(if(family = 'history', 'issue', toString(family)), ' ', action)]) AS kinds,
                arrayMap(one -> toUInt64(1), kinds)) AS counts,
            arraySort((one, count) -> (-toInt64(count), one), counts.1, counts.2)[1] AS kind,
            arrayMax(counts.2) AS of_kind
        FROM activity FINAL
        WHERE site = {{site:String}} AND account_id IN (SELECT account_id FROM regulars)
            AND occurred_at >= toDateTime(toString(here.2 - toUInt16({{days:UInt32}})), 'UTC')
            AND toDate(formatDateTime(occurred_at, '%F', here.1)) BETWEEN here.2 - {{days:UInt32}} + 1 AND here.2
        GROUP BY account_id
        HAVING acts >= {LEAST_ACTS}
    ),
    days AS
    (
        SELECT
            account_id, any(facts.acts) AS acts, any(facts.kind) AS kind, any(facts.of_kind) AS of_kind,
            toDate(formatDateTime(toDateTime(minute * 60, 'UTC') AS at, '%F', here.1)) AS day,
            max(nth) AS burst, max(gap) AS quiet,
            groupBitOr(bitShiftLeft(toUInt32(1), toUInt8(formatDateTime(at, '%H', here.1)))) AS hours
        FROM facts
        ARRAY JOIN
            minutes AS minute, arrayEnumerateUniq(minutes) AS nth,
            -- The quiet after an act is of the day on which it begins; after the last one it is not over.
            arrayMap((one, next) -> next - one, minutes, arrayPushBack(arrayPopFront(minutes), minutes[-1])) AS gap
        GROUP BY account_id, day
    ),
    judged AS
    (
        SELECT
            account_id, any(days.acts) AS acts, any(days.kind) AS kind, any(days.of_kind) AS of_kind,
            count() AS active_days, bitCount(groupBitOr(days.hours)) AS hours,
            quantileExact(0.75)(days.quiet) AS quiet,
            max(days.burst) AS most, countIf(days.burst >= {BURST}) AS burst_days,
            quiet < {60 * QUIET_HOURS} AS is_restless,
            2 * burst_days >= active_days AS is_bursting
        FROM days
        GROUP BY account_id
        HAVING active_days >= {LEAST_DAYS}
    )
SELECT {", ".join(ROBOTS)}
FROM
(
    SELECT
        {{site:String}} AS site, holders.account_id AS account_id,
        holders.display_name AS name, holders.email AS email, CAST(holders.licenses, 'Array(String)') AS products,
        judged.acts AS acts, judged.active_days AS active_days,
        judged.hours AS hours, floor(judged.quiet / 60, 1) AS quiet_hours,
        judged.most AS burst, judged.burst_days AS burst_days,
        judged.kind AS kind, judged.of_kind / acts AS kind_share,
        arrayFilter(sign -> sign != '', [
            if(judged.is_restless, concat('round the clock: in ', toString(hours), ' of 24 hours, and on three of ',
                'four days never quiet for more than ', toString(quiet_hours), ' h'), ''),
            if(judged.is_bursting, concat('in bursts: up to ', toString(burst), ' acts within a minute, and on ',
                toString(burst_days), ' of ', toString(active_days), ' days {BURST} or more'), ''),
            if(kind_share >= {KIND_SHARE}, concat('of one kind, ', kind, ': ', toString(floor(100 * kind_share)),
                ' % of its acts'), '')
            ]) AS signs,
        arrayStringConcat(signs, '; ') AS why
    FROM judged
    INNER JOIN holders ON holders.account_id = judged.account_id
)
WHERE length(signs) >= {LEAST_SIGNS}
ORDER BY acts DESC, account_id
"""  # noqa: S608 - constants of this file


async def read_robots(warehouse: Warehouse, sites: Sequence[str], days: int = 30, product: str = "") -> list[Row]:
    """Read the holders of seats who behave like programs, with their evidence: a service account would cost nothing.

    Args:
        warehouse: Where.
        sites: Names of the sites.
        days: How many days to look at: today, in the site's reporting time zone, and those before it.
        product: Key of a product that they hold; empty for all.

    Raises:
        WarehouseUnavailableError: The warehouse cannot be queried.
    """
    asked = {"days": days, "product": product}
    return [row for site in sites for row in await warehouse.query(_ROBOTS, {"site": site, **asked})]
