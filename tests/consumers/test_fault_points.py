"""SIGKILL between insert and commit, and right after the commit: every fact is there once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollcall.eventlog import Record
from rollcall.eventlog.sqlite import open_sqlite_log
from rollcall.records import encode
from rollcall.warehouse import open_warehouse

from ..facts import fact, fresh_warehouse
from .fault_child import ACTIVITY, LETTERS

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


def consume(folder: Path, point: str, count: int) -> int:
    command = [sys.executable, "-m", "tests.consumers.fault_child", str(folder), point, str(count)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


@pytest.mark.parametrize("point", ["inserted", "committed"])
async def test_killed_at_a_named_point_nothing_is_lost_or_doubled(tmp_path: Path, point: str) -> None:
    async with fresh_warehouse(tmp_path):
        pass
    log = await open_sqlite_log(tmp_path / "events.db", [ACTIVITY, LETTERS])
    facts = [fact(f"history:{n}", "2026-11-02T10:00:00", account_id=f"account{n}") for n in range(500)]
    await log.append(ACTIVITY.name, [Record(encode(one)) for one in facts])
    await log.close()

    assert consume(tmp_path, point, 1) == -signal.SIGKILL
    assert consume(tmp_path, point, 2) == -signal.SIGKILL
    assert consume(tmp_path, "never", 1) == 0

    warehouse = await open_warehouse(f"chdb://{tmp_path}/warehouse", "a test")
    try:
        rows = await warehouse.query("SELECT event_key FROM activity FINAL")
        days = await warehouse.query("SELECT account_id FROM user_days")
    finally:
        await warehouse.close()
    assert sorted(row["event_key"] for row in rows) == sorted(one.event_key for one in facts)
    assert sorted(row["account_id"] for row in days) == sorted(one.account_id for one in facts)
