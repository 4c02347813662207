"""A synthetic company's facts and directory, made inside the engine: large histories without a log or a Jira.

Facts go in through ``activity_in``, as a consumer's do, so that every table that hangs on it is fed. They lie on a
straight line of time, most of them on weekdays; a few people do much and many little; a webhook brings almost every
fact and REST brings all of them once more.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta

from rollcall.warehouse import Warehouse

SITE = "acme"
TIMEZONE = "Europe/Berlin"
_BLOCK = 250_000
"""Facts an insert: more than a consumer's batch, or the engine would only merge."""

_QUIET_LOOKS = 4
"""Looks at the engine, half a second apart, that find no merge."""

_ACCOUNT = "concat('712020:', lower(hex(sipHash128(toUInt64({number})))))"

_FACTS = """
INSERT INTO activity_in
WITH
    {people:UInt64} AS people,
    cityHash64(number, 1) / 18446744073709551616.0 AS chance,
    -- The tenth that never acts stays out; the cube lets few do much.
    toUInt64(people * 0.9 * pow(chance, 3)) AS person,
    cityHash64(number, 2) % 100 AS kind,
    {start:Date} + toUInt32(intDiv(number * {days:UInt64}, {facts:UInt64})) AS planned,
    toDayOfWeek(planned) AS weekday,
    -- Of a weekend's facts nine of ten are the Friday's before.
    weekday > 5 AND cityHash64(number, 3) % 10 > 0 AND planned - 2 >= {start:Date} AS is_moved,
    planned - if(is_moved, weekday - 5, 0) AS worked,
    toUnixTimestamp(toDateTime(worked, 'UTC')) * 1000 + 25200000 + cityHash64(number, 4) % 36000000 AS moment,
    multiIf(kind < 25, 'comment', kind < 92, 'history', 'worklog') AS its_family
SELECT
    'acme' AS site,
    concat(its_family, ':', toString(10000000 + number)) AS event_key,
    ACCOUNT AS account_id,
    if(person % 50 = 49, 'app', 'atlassian') AS account_type,
    its_family AS family,
    'created' AS action,
    moment AS occurred_at,
    intDiv(number, 12) AS issue_id,
    concat('ACME-', toString(intDiv(number, 12))) AS issue_key,
    'ACME' AS project_key,
    if(its_family = 'history', ['status'], []) AS fields,
    {source:String} AS source,
    moment + 500 AS received_at,
    'Europe/Berlin' AS timezone
FROM numbers({first:UInt64}, {count:UInt64})
WHERE {source:String} = 'reconcile' OR cityHash64(number, 5) % 100 < 97
""".replace("ACCOUNT", _ACCOUNT.format(number="person"))

_DIRECTORY = (
    """
    INSERT INTO directory_users SELECT 'acme', {at:DateTime64(3, 'UTC')}, ACCOUNT, concat('Person ', toString(number)),
        if(number % 10 = 0, NULL, concat('person', toString(number), '@example.com')),
        if(number % 50 = 49, 'app', 'atlassian'), true
    FROM numbers({people:UInt64})
    """,
    """
    INSERT INTO directory_licenses SELECT 'acme', {at:DateTime64(3, 'UTC')}, product, ACCOUNT
    FROM numbers({people:UInt64}) ARRAY JOIN arrayFilter((_, n) -> n = 1, ['jira-software', 'jira-servicedesk',
        'jira-product-discovery', 'confluence'], [number % 10 > 0, number % 5 = 0, number % 20 = 0, number % 3 > 0])
        AS product
    """,
    """
    INSERT INTO directory_roles SELECT 'acme', {at:DateTime64(3, 'UTC')}, ACCOUNT, 'member',
        if(number % 3 = 0, 'group', 'product access') FROM numbers({people:UInt64})
    """,
    """
    INSERT INTO directory_seats SELECT 'acme', {at:DateTime64(3, 'UTC')}, product, {people:UInt64}, 0
    FROM (SELECT arrayJoin(['jira-software', 'jira-servicedesk', 'jira-product-discovery', 'confluence']) AS product)
    """,
    """
    INSERT INTO directory_snapshots SELECT 'acme', {at:DateTime64(3, 'UTC')}, {at:DateTime64(3, 'UTC')},
        {people:UInt64}, 0, {people:UInt64}, 4, []
    """,
)


@dataclass(frozen=True, slots=True)
class SyntheticYear:
    """What to make.

    Attributes:
        facts: How many facts.
        people: How many accounts the directory lists.
        days: How many days the facts lie on; the last of them is `today`.
        today: The last day.
    """

    facts: int
    people: int
    days: int
    today: date

    async def write_facts(self, warehouse: Warehouse, source: str) -> None:
        """Insert the facts that a source (``webhook`` or ``reconcile``) brings. Raises WarehouseUnavailableError."""
        for first in range(0, self.facts, _BLOCK):
            await warehouse.command(
                _FACTS,
                {
                    "people": self.people,
                    "days": self.days,
                    "facts": self.facts,
                    "start": self.today - timedelta(days=self.days - 1),
                    "source": source,
                    "first": first,
                    "count": min(_BLOCK, self.facts - first),
                },
            )

    async def write_directory(self, warehouse: Warehouse) -> None:
        """Insert a snapshot of the directory, as of the beginning of `today`. Raises WarehouseUnavailableError."""
        for statement in _DIRECTORY:
            filled = statement.replace("ACCOUNT", _ACCOUNT.format(number="number"))
            await warehouse.command(filled, {"people": self.people, "at": f"{self.today} 00:00:00.000"})

    async def write(self, warehouse: Warehouse) -> None:
        """Insert all of it, webhooks first. Raises WarehouseUnavailableError."""
        await self.write_directory(warehouse)
        for source in ("webhook", "reconcile"):
            await self.write_facts(warehouse, source)


async def settled(warehouse: Warehouse) -> None:
    """Wait until the engine has merged what it merges by itself. Raises WarehouseUnavailableError."""
    quiet = 0
    while quiet < _QUIET_LOOKS:
        await asyncio.sleep(0.5)
        rows = await warehouse.query("SELECT count() AS running FROM system.merges WHERE database = currentDatabase()")
        quiet = 0 if rows[0]["running"] else quiet + 1
