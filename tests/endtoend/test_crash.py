"""The engine dies in every way: webhooks are answered 204 all the while, and nothing is lost or counted twice."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from .installation import PATIENCE, Installation
from .oracle import assert_stored
from .webhooks import Crowd, comment_created

pytestmark = pytest.mark.anyio

DEATHS = [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Installation]:
    """A running `up`, which does not outlive a failing test."""
    running = Installation(tmp_path)
    running.start()
    yield running
    if running.process and running.process.poll() is None:
        running.kill()


def engines_of(up: Installation) -> list[int]:
    """The engine processes of an `up`, of which there is at most one."""
    assert up.process
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().rpartition(") ")
            state, parent = rest.split()[:2]
            if state != "Z" and int(parent) == up.process.pid:
                found.append(int(name.split()[0]))
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except OSError:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def taken(port: int) -> socket.socket:
    """Listen on a port as soon as nobody does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port))
        assert time.monotonic() < deadline
        time.sleep(0.01)


def page_of(up: Installation) -> str:
    return httpx.get(f"{up.url}/", timeout=30).text


@pytest.mark.timeout(300)
async def test_a_dying_engine_costs_no_webhook_and_no_fact(up: Installation, tmp_path: Path) -> None:
    crowd = Crowd(up)
    async with crowd.posting():
        for number in DEATHS:
            await asyncio.to_thread(up.wait_for, "/readyz")
            before = len(crowd.accepted)
            [engine] = engines_of(up)
            os.kill(engine, number)
            await asyncio.to_thread(wait_until_gone, engine)
            async with asyncio.timeout(PATIENCE):
                while len(crowd.accepted) < before + 50:
                    await asyncio.sleep(0.02)
    assert set(crowd.statuses) == {204}
    await asyncio.to_thread(up.wait_for, "/readyz")
    told = httpx.get(f"{up.url}/metrics", timeout=30).text
    assert 'rollcall_engine_ends_total{reason="SIGKILL"} 1.0' in told
    assert told.count("# TYPE rollcall_consumed_records_total ") == 1
    await asyncio.to_thread(up.wait_until_written)
    assert up.stop() == 0, up.output
    await assert_stored(f"chdb://{tmp_path}/warehouse", crowd.accepted, crowd.sent)


def test_the_page_says_why_the_engine_is_away_and_when_it_was(up: Installation) -> None:
    up.wait_for("/readyz")
    [engine] = engines_of(up)
    assert "ended unexpectedly" not in page_of(up)
    os.kill(engine, signal.SIGKILL)
    with taken(up.sql_port):  # so that it does not come back too soon to look at
        deadline = time.monotonic() + PATIENCE
        while "begins again" not in (page := page_of(up)):
            assert time.monotonic() < deadline, page
        assert "the engine ended unexpectedly (SIGKILL" in page
        ready = httpx.get(f"{up.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["log"]) == (503, "ok")
        assert up.post(comment_created(1)[1]) == 204
    up.wait_for("/readyz")
    assert "The engine ended unexpectedly at" in page_of(up)
    assert '"event": "the engine ended unexpectedly, begins again"' in up.output
    assert up.stop() == 0, up.output


def test_a_killed_front_leaves_no_engine_and_the_next_one_starts_at_once(up: Installation) -> None:
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(20)} == {204}
    [engine] = engines_of(up)
    up.kill()
    up.start()
    wait_until_gone(engine)
    up.wait_until_written()
    up.wait_for("/readyz")
    assert len(up.report("days", "--days", "9999")) == 20
    assert up.stop() == 0, up.output


@pytest.mark.parametrize(
    ("number", "to_the_group"), [(signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGHUP, False)]
)
def test_a_stop_ends_both_in_order(
    up: Installation, tmp_path: Path, number: signal.Signals, *, to_the_group: bool
) -> None:
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(20)} == {204}
    [engine] = engines_of(up)
    assert up.process
    up.process.send_signal(number)
    if to_the_group:  # as systemd does, for one
        with suppress(ProcessLookupError):
            os.kill(engine, number)
    assert up.process.wait(PATIENCE) == 0, up.output
    assert gone(engine)
    assert "Traceback" not in up.output
    assert "ended unexpectedly" not in up.output
    assert not (tmp_path / "warehouse.lock").read_text()


def test_the_front_has_no_engine_in_it_and_the_engine_no_secret(up: Installation) -> None:
    up.wait_for("/readyz")
    assert up.process
    [engine] = engines_of(up)
    assert "_chdb" not in Path(f"/proc/{up.process.pid}/maps").read_text()
    assert "_chdb" in Path(f"/proc/{engine}/maps").read_text()
    assert "ROLLCALL" not in Path(f"/proc/{engine}/environ").read_text()
    assert str(up.config) not in Path(f"/proc/{engine}/cmdline").read_text()
    assert up.stop() == 0, up.output
