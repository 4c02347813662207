"""Backups of an `up` that takes webhooks, at random moments: what was answered 204 before one began is in it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.backup.copier import back_up_to
from console.backup.restorer import restore_from
from console.bars import Steps
from consumers.supervisor import drain
from rollcall.runtime import opened_with_warehouse
from rollcall.settings import load_settings
from rollcall.warehouse.rollup_check import differing_rows

from .installation import Installation
from .oracle import assert_stored
from .webhooks import Crowd

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Taken:
    """A backup, what had been accepted when it began, and what had been sent when it was done."""

    folder: Path
    accepted: set[int]
    sent: set[int]


async def backups_under_load(up: Installation, crowd: Crowd, count: int, seed: int) -> Sequence[Taken]:
    """Take backups at random moments of a load."""
    chance, taken = random.Random(seed), []
    settings = load_settings(up.config)
    async with crowd.posting():
        for number in range(count):
            before = len(crowd.accepted)
            while len(crowd.accepted) < before + chance.randrange(100, 400):
                await asyncio.sleep(chance.random() * 0.2)
            accepted, folder = set(crowd.accepted), up.folder.parent / f"backup-{number}"
            await back_up_to(folder, settings, Steps())
            assert len(crowd.accepted) > len(accepted), "no webhook was taken meanwhile"
            taken.append(Taken(folder, accepted, set(crowd.sent)))
    return taken


async def assert_restores(one: Taken, folder: Path) -> None:
    """Restore a backup elsewhere, consume what its log has, and compare every fact, rollup and report."""
    other = Installation(folder)
    settings = load_settings(other.config)
    await restore_from(one.folder, settings, Steps(), replace=False, warehouse_only=False)
    async with opened_with_warehouse(settings, "a test") as runtime:
        await drain(runtime)
        differing = await differing_rows(runtime.warehouse, "acme", other.timezone)
        assert not any(differing.values()), differing
    await assert_stored(settings.warehouse_url, one.accepted, one.sent)


async def backed_up_and_restored(tmp_path: Path, count: int, seed: int) -> None:
    up = Installation(tmp_path / "up")
    crowd = Crowd(up)
    up.start()
    up.wait_for("/readyz")
    try:
        taken = await backups_under_load(up, crowd, count, seed)
        assert set(crowd.statuses) == {204}
    finally:
        up.kill()
    for number, one in enumerate(taken):
        await assert_restores(one, tmp_path / f"restored-{number}")


@pytest.mark.timeout(300)
async def test_what_was_answered_before_a_backup_comes_back_from_it(tmp_path: Path) -> None:
    await backed_up_and_restored(tmp_path, 2, seed=17)


@pytest.mark.soak
async def test_thirty_backups_of_a_long_load_all_come_back(tmp_path: Path) -> None:
    await backed_up_and_restored(tmp_path, 30, seed=random.randrange(1000))
