"""SIGKILL between insert, dead letters, position and commit, and after it: every fact and letter is there once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import open_sqlite_log
from rollcall.records import decode_dead_letter, encode
from rollcall.warehouse import open_warehouse

from ..facts import fact, fresh_warehouse
from .fault_child import ACTIVITY, BATCH, LETTERS, waiting

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
FACTS = [fact(f"history:{n}", "2026-11-02T10:00:00", account_id=f"account{n}") for n in range(500)]
RECORDS = [encode(one) for one in FACTS]
for place in range(10, 510, 50):  # two in each batch
    RECORDS.insert(place, b"no record %d" % place)
POISON = {value for value in RECORDS if value.startswith(b"no record")}


def consume(way: str, folder: Path, point: str, count: int) -> int:
    command = [sys.executable, "-m", "tests.consumers.fault_child", way, str(folder), point, str(count)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


async def left_behind(folder: Path) -> tuple[int, set[bytes]]:
    """How many records are committed, and the payloads of the dead letters."""
    log = await open_sqlite_log(folder / "events.db", [ACTIVITY, LETTERS])
    letters = {decode_dead_letter(entry.value).payload async for entry in log.scan(LETTERS.name)}
    committed = len(RECORDS) - await waiting(log)
    await log.close()
    return committed, letters


@pytest.mark.parametrize("way", ["run", "drain"])
@pytest.mark.parametrize("point", ["inserted", "set aside", "recorded", "committed"])
async def test_killed_at_a_named_point_nothing_is_lost_or_doubled(tmp_path: Path, point: str, way: str) -> None:
    async with fresh_warehouse(tmp_path):
        pass
    log = await open_sqlite_log(tmp_path / "events.db", [ACTIVITY, LETTERS])
    await log.append(ACTIVITY.name, [Record(value) for value in RECORDS])
    await log.close()

    done = 0
    for count in (1, 2):
        assert consume(way, tmp_path, point, count) == -signal.SIGKILL
        # Killed in its count-th batch; only after the commit does that batch count as done.
        done += BATCH * (count if point == "committed" else count - 1)
        kept = done if point == "inserted" else max(done, BATCH * count)
        committed, letters = await left_behind(tmp_path)
        assert committed == done
        assert letters == POISON & set(RECORDS[:kept])
    assert consume(way, tmp_path, "never", 1) == 0, "and it reads on from where the group is"

    assert await left_behind(tmp_path) == (len(RECORDS), POISON)
    warehouse = await open_warehouse(f"chdb://{tmp_path}/warehouse", "a test")
    try:
        rows = await warehouse.query("SELECT event_key FROM activity FINAL")
        days = await warehouse.query("SELECT account_id FROM user_days")
    finally:
        await warehouse.close()
    assert sorted(row["event_key"] for row in rows) == sorted(one.event_key for one in FACTS)
    assert sorted(row["account_id"] for row in days) == sorted(one.account_id for one in FACTS)
