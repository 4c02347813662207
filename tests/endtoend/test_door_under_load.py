"""The SQL door while webhooks pour in, and behind a crowd of clients that have left already."""

import socket
import time
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import clickhouse_connect
import pytest

from .company import Company
from .installation import PATIENCE, Installation

BERLIN = ZoneInfo("Europe/Berlin")

Reading = set[tuple[date, str]]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Installation]:
    # Small batches, so that there is much between nothing and everything.
    made = Installation(tmp_path, extra_settings="consumer.batch_seconds = 0.1")
    made.start()
    try:
        made.wait_for("/readyz")
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.kill()


def test_readings_grow_into_the_truth(up: Installation) -> None:
    company = Company(people=40, days=12, now=int(time.time() * 1000))
    truth = {
        (datetime.fromtimestamp(fact["webhook_at"] / 1000, BERLIN).date(), fact["webhook_actor"])
        for fact in company.truth()
        if fact["webhook_at"] is not None and fact["webhook_actor"]
    }
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=up.sql_port, username="dashboards", password=up.sql_token
    )

    def read() -> Reading:
        rows = client.query("SELECT day, account_id FROM user_days WHERE site = {site:String}", {"site": "acme"})
        found = {(day, account) for day, account in rows.result_rows}
        assert len(found) == rows.row_count
        return found

    readings = [read()]
    with company.send(up.webhook_url, "--duplicates", "0.2") as sending:
        while sending.poll() is None:
            readings.append(read())
        assert sending.returncode == 0
    deadline = time.monotonic() + PATIENCE
    while len(readings[-1]) < len(truth) and time.monotonic() < deadline:
        readings.append(read())
    up.wait_until_written()
    readings.append(read())
    client.close()
    assert up.stop() == 0, up.output

    assert readings[0] == set()
    assert all(earlier <= later for earlier, later in pairwise(readings))
    print(f"{len(readings)} readings, {len(set(map(len, readings)))} different ones")
    # Else nothing was read under load.
    assert any(set() < reading < truth for reading in readings)
    assert readings[-1] == truth


AT_ONCE = 3.0
"""Seconds; working for all who left would take several times as long."""


def test_nobody_works_for_clients_that_have_left(up: Installation) -> None:
    """A server that is behind, and goes through the requests of those who gave up, never gets to one who waits."""
    query = b"SELECT name, type FROM system.columns ORDER BY ALL"
    request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-ClickHouse-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        up.sql_token.encode(),
        len(query),
        query,
    )
    for clients, patience in ((2000, 0.0), (500, 0.5)):
        leaving = []
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", up.sql_port))
            client.sendall(request)
            if patience:
                leaving.append(client)
            else:
                client.close()
        time.sleep(patience)
        for client in leaving:
            client.close()
        began = time.monotonic()
        assert up.sql("SELECT 1").text == "1\n"
        took = time.monotonic() - began
        print(f"{clients} clients left after {patience} s, the next was answered after {took:.2f} s")
        assert took < AT_ONCE
    assert up.stop() == 0, up.output
