"""A webhook answered 204 is never lost, however `up` dies."""

import asyncio
import random
from pathlib import Path

import pytest

from rollcall.warehouse import open_warehouse

from .installation import Installation
from .webhooks import Crowd

pytestmark = pytest.mark.anyio

KILLS = 20


@pytest.mark.timeout(300)
async def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(20)
    up = Installation(tmp_path)
    crowd = Crowd(up)
    up.start()
    async with crowd.posting():
        for _ in range(KILLS):
            before = len(crowd.accepted)
            while len(crowd.accepted) < before + chance.randrange(1, 400):
                await asyncio.sleep(chance.random() * 0.2)
            up.kill()
            await asyncio.to_thread(up.start)
    await asyncio.to_thread(up.wait_until_written)
    assert up.stop() == 0, up.output
    await assert_stored(tmp_path, crowd)


async def assert_stored(folder: Path, crowd: Crowd) -> None:
    """Every accepted fact is there once, nothing that was never sent, and the rollup agrees with the facts."""
    assert len(crowd.accepted) > 500
    warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a test")
    try:
        rows = await warehouse.query("SELECT event_key FROM activity FINAL")
        stored = [row["event_key"] for row in rows]
        days = await warehouse.query("SELECT account_id, day FROM user_days ORDER BY account_id, day")
        truth = await warehouse.query(
            "SELECT DISTINCT account_id, toDate(occurred_at, 'Europe/Berlin') AS day FROM activity "
            "ORDER BY account_id, day"
        )
    finally:
        await warehouse.close()
    assert len(stored) == len(set(stored))
    assert crowd.accepted - set(stored) == set()
    assert set(stored) - crowd.sent == set()
    assert days == truth
