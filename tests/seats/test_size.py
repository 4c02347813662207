"""Seats of many people, and after many days' directories, are answered within what a reader may use."""

import pytest

from rollcall.warehouse import Warehouse, record_sites

from ..facts import ACME

pytestmark = pytest.mark.anyio

MEMORY = 128 * 1024**2
"""Bytes; a reader may use 512 MiB. Each of the two companies took more than that many before schema 0007."""

DAY = "toStartOfDay(now64(3, 'UTC'))"
COMPANY = (
    """
    INSERT INTO directory_licenses (site, snapshot_id, product, account_id)
    SELECT 'acme', {day} - toIntervalDay(reading), product, concat('person-', toString(number))
    FROM numbers({people}) ARRAY JOIN ['jira-software', 'jira-servicedesk'] AS product
    CROSS JOIN (SELECT number AS reading FROM numbers({readings})) AS readings
    -- Who has an odd number came 297 days ago.
    WHERE number % 2 = 0 OR reading < 298
    """,
    """
    INSERT INTO directory_seats (site, snapshot_id, product, total, used)
    SELECT 'acme', {day} - toIntervalDay(number), product, 100000, 1
    FROM numbers({readings}) ARRAY JOIN ['jira-software', 'jira-servicedesk'] AS product
    """,
    """
    INSERT INTO directory_users (site, snapshot_id, account_id, display_name, email, account_type, active)
    SELECT 'acme', {day}, concat('person-', toString(number)), concat('Person ', toString(number)), NULL, 'atlassian', 1
    FROM numbers({people})
    """,
    """
    INSERT INTO directory_looked (site, snapshot_id, product, account_id, looked_at, as_of)
    SELECT 'acme', {day}, 'jira-software', concat('person-', toString(number)),
        if(number % 3 = 0, NULL, {day} - toIntervalDay(200)), {day}
    FROM numbers({people})
    """,
    """
    INSERT INTO directory_snapshots (site, snapshot_id, completed_at, users, licenses, roles, seats, lacks)
    SELECT 'acme', {day} - toIntervalDay(number), {day} - toIntervalDay(number), {people}, {people}, 0, 2, []
    FROM numbers({readings})
    """,
    "INSERT INTO directory_days_read (site, snapshot_id, since) SELECT 'acme', {day}, {day} - toIntervalDay(500)",
    """
    INSERT INTO coverage_rollup (site, day, known, by_webhook, computed_at, gone)
    SELECT 'acme', toDate({day}) - number, 100, 80, now64(6), 0 FROM numbers(730)
    """,
)


@pytest.mark.parametrize(
    ("people", "readings", "since"), [(20_000, 3, 0), (3_000, 300, 1)], ids=["people", "directories"]
)
async def test_seats_fit_into_what_a_reader_may_use(
    warehouse: Warehouse, people: int, readings: int, since: int
) -> None:
    await record_sites(warehouse, {"acme": ACME})
    for statement in COMPANY:
        await warehouse.command(statement.format(day=DAY, people=people, readings=readings))
    limits = f"SETTINGS max_memory_usage = {MEMORY}, max_threads = 2"
    whole = await warehouse.query(f"SELECT count() AS seats, sum(length(why)) AS letters FROM seats {limits}")
    assert whole[0]["seats"] == 2 * people
    found = await warehouse.query(
        "SELECT product, verdict, count() AS seats, uniqExact(holds_since) AS since, any(why) AS why "
        f"FROM seats GROUP BY ALL ORDER BY ALL {limits}"
    )
    counted = {(row["product"], row["verdict"]): (row["seats"], row["since"]) for row in found}
    never = len(range(0, people, 3))
    assert counted == {
        ("jira-servicedesk", "unseen"): (people, since),
        ("jira-software", "never"): (never, since),
        ("jira-software", "idle"): (people - never, since),
    }
    assert all("webhooks brought 80 %" in row["why"] for row in found)
    page = await warehouse.query(f"SELECT * FROM seats ORDER BY name LIMIT 100 {limits}")
    assert len(page) == 100
