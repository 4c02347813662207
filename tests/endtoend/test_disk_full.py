"""The log's disk is full: webhooks are answered 503 with Retry-After, and nothing that was answered 204 is lost."""

import asyncio
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from ..disk import SmallDisk
from .installation import Installation
from .oracle import assert_stored
from .webhooks import Crowd

pytestmark = pytest.mark.anyio

_LIMIT = 2 * 1024 * 1024
_DISK_MEGABYTES = 6


@contextmanager
def disk(folder: Path) -> Iterator[SmallDisk | None]:
    """A small disk where the machine allows to mount one."""
    with ExitStack() as stack:
        try:
            mounted = stack.enter_context(SmallDisk.mounted(folder, _DISK_MEGABYTES))
        except PermissionError:
            mounted = None
        print("full disk: a tmpfs" if mounted else "full disk: a limit on file sizes (no right to mount here)")
        yield mounted


def fill(up: Installation, mounted: SmallDisk | None) -> Callable[[], None]:
    """Leave the log no room; return what gives it back."""
    if mounted:
        mounted.fill()
        return mounted.make_room
    assert up.process
    pid = up.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_LIMIT, hard))
    return lambda: (resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard)), None)[1]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with disk(folder) as mounted:
        up = Installation(tmp_path / "up", log_folder=folder)
        up.start()
        crowd = Crowd(up, senders=8)
        async with crowd.posting():
            await until(lambda: len(crowd.accepted) > 300)
            make_room = fill(up, mounted)
            await until(lambda: crowd.statuses.get(503, 0) > 50)
            refused = crowd.statuses[503]
            ready = await asyncio.to_thread(httpx.get, f"{up.url}/readyz", timeout=30)
            make_room()
            accepted = len(crowd.accepted)
            await until(lambda: len(crowd.accepted) > accepted + 300)
        assert set(crowd.statuses) == {204, 503}
        assert crowd.retry_after_missing == 0
        assert refused > 50
        assert ready.status_code == 503
        assert ready.json()["log"] != "ok"
        await asyncio.to_thread(up.wait_until_written)
        assert up.stop() == 0, up.output
        await assert_stored(f"chdb://{tmp_path}/up/warehouse", crowd.accepted, crowd.sent)
