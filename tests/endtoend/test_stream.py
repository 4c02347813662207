"""The acts of a company, a fifth sent twice, shuffled, with retries and a crash: the truth exactly."""

import json
import threading
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
async def test_ten_thousand_acts_equal_the_truth(tmp_path: Path) -> None:
    expected = await stream(Company(people=30, days=30, now=int(time.time() * 1000)), tmp_path)
    assert expected > 10_000


@pytest.mark.soak
async def test_a_million_acts_of_two_thousand_people_equal_the_truth(tmp_path: Path) -> None:
    started = time.monotonic()
    company = Company(people=2000, days=30, now=int(time.time() * 1000), acts_per_day=40.0)
    expected = await stream(company, tmp_path)
    print(f"{expected} facts in {time.monotonic() - started:.0f} s")
    assert expected > 1_000_000


class Memory:
    """Peak resident memory of a process in MB, looked at all the while, in its first and second half."""

    def __init__(self, up: Installation) -> None:
        self._up = up
        self._seen: list[int] = []
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            if self._up.process:
                try:
                    status = Path(f"/proc/{self._up.process.pid}/status").read_text()
                except OSError:
                    continue
                self._seen += [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS")]

    def halves(self) -> tuple[int, int]:
        self._ended.set()
        self._looking.join()
        middle = len(self._seen) // 2
        return max(self._seen[:middle]), max(self._seen[middle:])


async def stream(company: Company, tmp_path: Path) -> int:
    """Send a company's history through `up`, compare everything with the truth, return how many facts that were."""
    up = Installation(tmp_path)
    up.start()
    # Jira retries after 5 to 15 minutes, and after half an hour of failures no more: 45 s on a clock so much faster, in
    # which a busy machine starts `up` again.
    with company.send(up.webhook_url, "--duplicates", "0.2", "--window", "300", "--time-scale", "40") as sending:
        truth = company.truth()
        up.kill()
        up.start()
        memory = Memory(up)
        stats = json.loads(sending.communicate()[0])
    first, second = memory.halves()
    print(f"peak memory of up: {first} MB in the first half, {second} MB in the second")
    assert second < first * 1.3 + 50
    up.wait_until_written()
    report = up.report("days", "--days", "32", "--all-accounts")
    people = up.report("days", "--days", "32")
    assert up.stop() == 0, up.output

    expected = {fact["event_key"]: fact for fact in truth if fact["webhook_at"] is not None}
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
    return len(expected)
