"""100,000 acts of a company, a fifth sent twice, shuffled, with retries and a crash: the truth exactly."""

import json
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rollcall.warehouse import open_warehouse

from .company import Company
from .installation import Installation

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")


def day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, BERLIN).date().isoformat()


@pytest.mark.timeout(400)
async def test_a_stream_of_a_company_equals_the_truth(tmp_path: Path) -> None:
    company = Company(people=300, days=30, now=int(time.time() * 1000))
    up = Installation(tmp_path)
    up.start()
    # Retries come after 5 to 15 minutes; on a clock 600 times as fast within a second or so.
    with company.send(up.webhook_url, "--duplicates", "0.2", "--window", "300", "--time-scale", "600") as sending:
        truth = company.truth()
        up.kill()
        up.start()
        stats = json.loads(sending.communicate()[0])
    up.wait_until_written()
    report = up.report("days", "--days", "32", "--all-accounts")
    people = up.report("days", "--days", "32")
    assert up.stop() == 0, up.output

    expected = {fact["event_key"]: fact for fact in truth if fact["webhook_at"] is not None}
    assert len(expected) > 100_000
    assert stats["lost"] == []
    assert stats["retried"] > 0
    warehouse = await open_warehouse(f"chdb://{tmp_path}/warehouse", "a test")
    try:
        rows = await warehouse.query(
            "SELECT event_key, account_id, toUnixTimestamp64Milli(occurred_at) AS at, family, action "
            "FROM activity FINAL"
        )
        days = await warehouse.query("SELECT toString(day) AS day, account_id FROM user_days")
    finally:
        await warehouse.close()
    stored = {row["event_key"]: (row["account_id"], row["at"], row["family"], row["action"]) for row in rows}
    assert len(rows) == len(stored)
    assert stored == {
        key: (fact["webhook_actor"], fact["webhook_at"], fact["family"], fact["action"])
        for key, fact in expected.items()
    }
    attributed = [fact for fact in expected.values() if fact["webhook_actor"]]
    assert {(row["day"], row["account_id"]) for row in days} == {
        (day(fact["webhook_at"]), fact["webhook_actor"]) for fact in attributed
    }
    assert len(days) == len({(row["day"], row["account_id"]) for row in days})
    for shown, facts in (
        (report, attributed),
        (people, [fact for fact in attributed if fact["account_type"] == "atlassian"]),
    ):
        families: dict[tuple[str, str], set[str]] = {}
        for fact in facts:
            families.setdefault((day(fact["webhook_at"]), fact["webhook_actor"]), set()).add(fact["family"])
        assert {
            (row["day"], row["account_id"]): {name for name in ("comment", "history", "worklog") if row[name]}
            for row in shown
        } == families
