"""The engine dies in every way: webhooks are answered 204 all the while, and nothing is lost or counted twice."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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


@contextmanager
def taken_at_the_end_of(engine: int, port: int) -> Iterator[None]:
    """Kill an engine, and listen on its port while the block lasts."""
    os.kill(engine, signal.SIGKILL)
    with taken(port):
        yield


def pipes_of(pid: int) -> int:
    """How many ends of pipes a process has."""
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found += descriptor.readlink().name.startswith("pipe:")
    return found


def pipes_at_intervals(pid: int) -> Iterator[int]:
    for _ in range(50):
        yield pipes_of(pid)
        time.sleep(0.02)


def wait_for_pipes(pid: int, ends: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while pipes_of(pid) < ends:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def page_of(up: Installation) -> str:
    answer = httpx.get(up.url, cookies=up.session, timeout=60)
    assert answer.status_code in (200, 503), answer
    return answer.text


def metrics_of(up: Installation) -> dict[str, float]:
    """The metrics of both processes, by name and labels."""
    lines = httpx.get(f"{up.url}/metrics", timeout=30).text.splitlines()
    told = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in told}


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
        # By now it may have ended once more, as the door's address is taken: the page tells of the last one.
        [reason] = re.findall(r"the engine ended unexpectedly \(([^:)]+)", page)
        ready = httpx.get(f"{up.url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["log"]) == (503, "ok")
        assert "the engine ended unexpectedly" in ready.json()["warehouse"]
        told = metrics_of(up)
        assert told["rollcall_engine_up"] == 0.0
        assert up.post(comment_created(1)[1]) == 204
    up.wait_for("/readyz")
    up.wait_until_written()
    told = metrics_of(up)
    assert told["rollcall_engine_up"] == 1.0
    assert told['rollcall_engine_ends_total{reason="SIGKILL"}'] == 1.0
    assert told[f'rollcall_engine_ends_total{{reason="{reason}"}}'] >= 1.0
    assert told['rollcall_consumer_running{topic="rollcall.activity"}'] == 1.0
    assert told['rollcall_consumed_records_total{outcome="written",topic="rollcall.activity"}'] == 1.0
    assert "Retrying" not in up.output
    assert "The engine ended unexpectedly at" in page_of(up)
    assert '"event": "the engine ended unexpectedly, begins again"' in up.output
    assert up.stop() == 0, up.output


def test_metrics_of_consumers_are_absent_while_the_engine_is_away(up: Installation) -> None:
    up.wait_for("/readyz")
    [engine] = engines_of(up)
    assert "rollcall_consumer_running" in str(metrics_of(up))
    os.kill(engine, signal.SIGKILL)
    wait_until_gone(engine)  # half a second before the next one begins
    assert "rollcall_consumer_running" not in str(metrics_of(up))
    assert up.stop() == 0, up.output


def test_nobody_takes_the_files_while_the_engine_is_away(up: Installation, tmp_path: Path) -> None:
    up.wait_for("/readyz")
    assert up.post(comment_created(1)[1]) == 204
    up.wait_until_written()
    [engine] = engines_of(up)
    assert up.process
    holds = f"process {up.process.pid} (rollcall up) holds the embedded warehouse"
    other = Installation(tmp_path / "other")
    other.config.write_text(
        other.config.read_text().replace(f"chdb://{tmp_path}/other/warehouse", f"chdb://{tmp_path}/warehouse")
    )
    with taken_at_the_end_of(engine, up.sql_port):  # so that it does not come back for long
        assert holds in other.run("up", check=False).stderr
        assert holds in up.run("migrate", check=False).stderr
    up.wait_for("/readyz")
    assert len(up.report("days", "--days", "9999")) == 1
    assert up.stop() == 0, up.output


def test_without_a_door_for_others_commands_and_page_are_answered(tmp_path: Path) -> None:
    up = Installation(tmp_path)
    text = up.config.read_text()
    up.config.write_text(text.replace(f'sql_listen = "127.0.0.1:{up.sql_port}"', 'sql_listen = ""'))
    up.start()
    try:
        up.wait_for("/readyz")
        assert up.post(comment_created(1)[1]) == 204
        up.wait_until_written()
        assert len(up.report("days", "--days", "9999")) == 1
        assert "This part of the page cannot be shown" not in page_of(up)
        with socket.create_server(("127.0.0.1", up.sql_port)):
            pass
        [engine] = engines_of(up)
        os.kill(engine, signal.SIGKILL)
        wait_until_gone(engine)
        up.wait_for("/readyz")
        assert len(up.report("days", "--days", "9999")) == 1
        assert up.stop() == 0, up.output
    finally:
        if up.process and up.process.poll() is None:
            up.kill()


def test_a_killed_front_leaves_no_engine_and_the_next_one_starts_at_once(up: Installation) -> None:
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(1, 21)} == {204}
    [engine] = engines_of(up)
    up.kill()
    up.start()
    wait_until_gone(engine)
    up.wait_until_written()
    up.wait_for("/readyz")
    assert len(up.report("days", "--days", "9999")) == 20
    assert up.stop() == 0, up.output


@pytest.mark.parametrize(
    ("number", "to_the_group", "times"),
    [(signal.SIGINT, False, 1), (signal.SIGINT, False, 3), (signal.SIGTERM, True, 1), (signal.SIGHUP, False, 1)],
)
def test_a_stop_ends_both_in_order(
    up: Installation, tmp_path: Path, number: signal.Signals, times: int, *, to_the_group: bool
) -> None:
    up.wait_for("/readyz")
    assert {up.post(comment_created(one)[1]) for one in range(1, 21)} == {204}
    [engine] = engines_of(up)
    assert up.process
    for _ in range(times):
        up.process.send_signal(number)
        time.sleep(0.1)
    if to_the_group:  # as systemd does, for one
        with suppress(ProcessLookupError):
            os.kill(engine, number)
    assert up.process.wait(PATIENCE) == 0, up.output
    assert gone(engine)
    assert "Traceback" not in up.output
    assert "ended unexpectedly" not in up.output
    assert not (tmp_path / "warehouse.lock").read_text()
    assert not (tmp_path / "warehouse.up.lock").read_text()


def test_a_stop_waits_for_no_query_that_does_not_end(up: Installation) -> None:
    up.wait_for("/readyz")
    url, token = f"http://127.0.0.1:{up.sql_port}", ("dashboards", up.sql_token)
    [engine] = engines_of(up)
    before = min(pipes_at_intervals(engine))  # other queries come and go
    with ThreadPoolExecutor(1) as reader:
        blind = "SELECT hasAll(range(10000000), range(10000000))"
        asking = reader.submit(httpx.post, url, content=blind, auth=token, timeout=PATIENCE)
        wait_for_pipes(engine, before + 2)  # those that its answer would come through
        assert up.stop() == 0, up.output
        assert "Query was cancelled" in asking.result().text
    assert "Traceback" not in up.output


def test_the_front_has_no_engine_in_it_and_the_engine_no_secret(up: Installation) -> None:
    up.wait_for("/readyz")
    assert up.process
    [engine] = engines_of(up)
    assert "_chdb" not in Path(f"/proc/{up.process.pid}/maps").read_text()
    assert "_chdb" in Path(f"/proc/{engine}/maps").read_text()
    assert "ROLLCALL" not in Path(f"/proc/{engine}/environ").read_text()
    assert str(up.config) not in Path(f"/proc/{engine}/cmdline").read_text()
    assert up.stop() == 0, up.output
