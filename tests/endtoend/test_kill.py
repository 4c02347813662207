"""A webhook answered 204 is never lost, however `up` dies."""

import asyncio
import random
from pathlib import Path

import pytest

from .installation import Installation
from .oracle import assert_stored
from .webhooks import Crowd

pytestmark = pytest.mark.anyio

KILLS = 8


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
    assert len(crowd.accepted) > 500
    await assert_stored(f"chdb://{tmp_path}/warehouse", crowd.accepted, crowd.sent)
