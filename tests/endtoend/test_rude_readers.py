"""Readers of the SQL door that hang up, ask in a hurry or load the page beside it end neither `up` nor one another."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from .company import Company
from .installation import PATIENCE, Installation
from .webhooks import Crowd

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

SECONDS = 30.0
SENDERS = 8
LARGE = ("SELECT a.*, b.* FROM activity a CROSS JOIN numbers(50) b",) * 4
QUERIES = (*LARGE, "SELECT * FROM user_usage_30d", "SELECT * FROM activity FINAL")


@contextmanager
def filled(folder: Path, facts: int) -> Iterator[Installation]:
    """`up` with a company's facts in it."""
    up = Installation(folder)
    up.start()
    company = Company(people=60, days=max(10, facts // 1000), now=int(time.time() * 1000))
    with company.send(up.webhook_url) as sending:
        assert sending.wait(PATIENCE) == 0
    up.wait_until_written()
    try:
        yield up
    finally:
        if up.process and up.process.poll() is None:
            up.kill()


def hang_up(port: int, token: str, chance: random.Random) -> None:
    """Ask, and leave at a moment of the answer's making."""
    query = chance.choice(QUERIES).encode()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(
            b"POST /?default_format=JSONEachRow HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %b\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (port, token.encode(), len(query), query)
        )
        time.sleep(chance.choice((0, 0.005, 0.02, 0.05, 0.15)))
        if chance.random() < 2 / 3:
            client.settimeout(0.2)
            with suppress(OSError):
                client.recv(4096)


@pytest.mark.timeout(400)
async def test_clients_that_hang_up_end_neither_up_nor_webhooks(tmp_path: Path) -> None:
    chance = random.Random(13)
    with filled(tmp_path, 12_000) as up:
        assert up.process
        crowd = Crowd(up, SENDERS)

        def leave() -> int:
            end, left = time.monotonic() + SECONDS, 0
            while time.monotonic() < end and up.process and up.process.poll() is None:
                hang_up(up.sql_port, up.sql_token, chance)
                left += 1
                time.sleep(0.08)
            return left

        async with crowd.posting():
            left = await asyncio.to_thread(leave)
        assert up.process.poll() is None, up.output[-3000:]
        print(f"{left} clients hung up, {len(crowd.accepted)} of {len(crowd.sent)} webhooks answered 204")
        assert left > 50
        assert len(crowd.sent - crowd.accepted) <= SENDERS  # under way when the posting ended
        assert up.sql("SELECT 1").text == "1\n"
        await asyncio.to_thread(up.wait_until_written)
        assert "Traceback" not in up.output
        assert "never retrieved" not in up.output
        assert up.stop() == 0, up.output[-3000:]


@pytest.mark.timeout(400)
def test_no_descriptor_is_closed_twice(tmp_path: Path) -> None:
    """Whole statements beside clients that load a style sheet: a descriptor closed twice breaks either."""
    with filled(tmp_path, 1_000) as up:
        sheet = httpx.get(f"{up.url}/static/page.css").content
        end = time.monotonic() + SECONDS

        def load(_: int) -> int:
            loaded = 0
            while time.monotonic() < end:
                with httpx.Client(trust_env=False) as client:  # a new connection each: a new descriptor
                    assert client.get(f"{up.url}/static/page.css").content == sheet
                loaded += 1
            return loaded

        def ask(_: int) -> int:
            asked = 0
            with httpx.Client(trust_env=False, timeout=60, auth=("dashboards", up.sql_token)) as client:
                while time.monotonic() < end:
                    assert client.post(f"http://127.0.0.1:{up.sql_port}", content="SELECT 42").text == "42\n"
                    asked += 1
            return asked

        with ThreadPoolExecutor(4) as clients:
            loads, asks = clients.map(load, range(2)), clients.map(ask, range(2))
            print(f"{sum(loads)} style sheets and {sum(asks)} statements, all whole")
        assert up.stop() == 0, up.output[-3000:]
        assert "Bad file descriptor" not in up.output
        assert threading.active_count() < 50
