"""A made-up company that holds products: each verdict once and some often, hostile names, one product with prices."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consumers.writers import DirectoryWriter
from rollcall.eventlog import Entry, EventLog
from rollcall.records import Directory, encode
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, record_seat_settings

from ..facts import Refreshing, entries
from ..seats.warehouse import DESK, SOFTWARE, Snapshot, act
from .company import HOSTILE
from .serving import settings_of, site

SITES = {"acme": site("acme"), "borealis": site("borealis", "Asia/Tokyo")}
IDLE = 120
ONE_OF_EACH = ("acts", "reads", "kept", "fresh", "unseen", "never")
ROBOT = "robot"
SEATS: dict[str, Any] = {
    "exempt": [{"account_id": "kept", "reason": "on leave"}],
    "products": {SOFTWARE: {"currency": "USD", "price": [[100, 9.05], [250, 6.7]], "renews": "2026-01-31"}},
}
ORGANIZATION = {"id": "an-organization", "api_key": "k"}
HISTORY_DAYS, GAP = 200, 10
"""So many days of counts, until yesterday; one in so many is missing."""
_HISTORY = """
INSERT INTO seat_day_counts
    (site, day, product, seats, held, active, reader, exempt, new, unseen, never, idle, counted_at)
SELECT 'acme', site_days.today - number, product, if(product = 'jira-software', 500, NULL),
    100 + 200 - number, 60, 10, 2, 5, 3, 10, 10 + 200 - number, now64(6)
FROM site_days CROSS JOIN numbers(1, 200) AS days ARRAY JOIN ['jira-software', 'jira-servicedesk'] AS product
WHERE site_days.site = 'acme' AND number % {gap} != 0
"""


def settings_in(folder: Path) -> Settings:
    """Settings with these seats and their prices, and an organization."""
    return settings_of(folder, SITES, seats=SEATS, organization=ORGANIZATION)


def ago(days: int) -> str:
    """A moment of a day in UTC, as the records of tests take it."""
    return f"{datetime.now(UTC) - timedelta(days=days, minutes=5):%Y-%m-%dT%H:%M:%S}"


def idle(number: int) -> str:
    return f"idle{number:03}"


def directory() -> list[Directory]:
    """Two snapshots: who is fresh held nothing at the first."""
    everybody = [*ONE_OF_EACH, ROBOT, *map(idle, range(IDLE)), *HOSTILE]
    held = {account: (SOFTWARE, DESK) if account == "acts" else (SOFTWARE,) for account in everybody}
    before = Snapshot(ago(3), {account: some for account, some in held.items() if account != "fresh"})
    now = Snapshot(ago(0), held)
    for place, row in enumerate(now.rows):
        if getattr(row, "account_id", "") in HOSTILE and hasattr(row, "display_name"):
            name = HOSTILE[row.account_id]  # type: ignore[union-attr]  # of users, as the line above sees to
            now.rows[place] = type(row)(**{**{f: getattr(row, f) for f in row.__struct_fields__}, "display_name": name})
    for account in (*everybody, "kept"):
        if account == "unseen":
            continue
        looked = ago(2) if account == "reads" else ago(150) if account.startswith("idle") else None
        now.looked(account, SOFTWARE, looked)
        now.added(account, "2020-01-01T00:00:00")
        now.granted(account, SOFTWARE, "builders", *(("=cmd|' /C calc'!A0",) if account == "never" else ()))
    return [*before.complete(), *now.complete()]


async def seed(settings: Settings, warehouse: Warehouse, _: EventLog) -> None:
    """Write the company as the consumers would."""
    await record_seat_settings(warehouse, settings.sites, settings.seats)
    rows = [Entry(encode(row), 0, n, f"rollcall.directory/0@{n}") for n, row in enumerate(directory())]
    await Refreshing(warehouse, DirectoryWriter).write(rows)
    facts = [act("acts", ago(1)), act("acts", ago(40)), act("acts", ago(300), "HELP"), act("other", ago(400))]
    facts += [act(idle(number), ago(100 + number)) for number in range(40)]
    now = datetime.now(UTC) - timedelta(minutes=5)
    facts += [act(ROBOT, f"{now - timedelta(hours=4 * n):%Y-%m-%dT%H:%M:%S}") for n in range(200)]
    await Refreshing(warehouse, sites=settings.sites).write(entries(facts))
    await warehouse.command(_HISTORY.format(gap=GAP))
