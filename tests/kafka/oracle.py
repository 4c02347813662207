"""What the warehouse must hold, worked out from the numbers of the webhooks alone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from rollcall.warehouse import open_warehouse
from tests.endtoend.webhooks import START_MS

_MS_APART = 977
_PEOPLE = 50


def key_of(number: int) -> str:
    return f"comment:{number}:created"


def user_day_of(number: int, timezone: str = "Europe/Berlin") -> tuple[str, date]:
    """Return who was active on which day by a webhook of `tests.endtoend.webhooks.comment_created`."""
    moment = datetime.fromtimestamp((START_MS + number * _MS_APART) / 1000, UTC).astimezone(ZoneInfo(timezone))
    return f"5b10a2844c20165700ed{number % _PEOPLE:04}", moment.date()


async def assert_stored(warehouse_url: str, accepted: set[int], sent: set[int]) -> None:
    """Every accepted fact is there once, nothing that was never sent, and the rollup says the same."""
    warehouse = await open_warehouse(warehouse_url, "a test")
    try:
        rows = await warehouse.query("SELECT event_key FROM activity FINAL")
        days = await warehouse.query("SELECT DISTINCT account_id, day FROM user_days")
    finally:
        await warehouse.close()
    stored = [row["event_key"] for row in rows]
    assert len(stored) == len(set(stored)), "a fact is there twice"
    lost = {key_of(number) for number in accepted} - set(stored)
    assert not lost, f"{len(lost)} of {len(accepted)} accepted facts are lost, such as {sorted(lost)[:3]}"
    assert set(stored) <= {key_of(number) for number in sent}
    numbers = {int(key.split(":")[1]) for key in stored}
    assert {(row["account_id"], row["day"]) for row in days} == {user_day_of(number) for number in numbers}
