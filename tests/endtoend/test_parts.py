"""The parts as separate processes: ingest takes webhooks while nothing consumes, consume writes them later."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from rollcall.warehouse import open_warehouse

from ..ports import free_port
from .installation import PATIENCE, Installation, rollcall
from .webhooks import comment_created

pytestmark = pytest.mark.anyio


def assert_counts_what_is_no_http(front: Installation) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        assert connection.recv(100).split()[1] == b"400"
    assert 'event="other",outcome="not_http",site=""} 1.0' in httpx.get(f"{front.url}/metrics").text


async def test_ingest_and_consume_as_two_processes(tmp_path: Path) -> None:
    port = free_port()
    parts = Installation(tmp_path, measured=True, extra_settings=f'consumer.listen = "127.0.0.1:{port}"')
    parts.run("migrate")
    parts.start("ingest")
    assert_counts_what_is_no_http(parts)
    sent = [comment_created(number) for number in range(1, 201)]
    assert {parts.post(body) for _, body in sent} == {204}

    with subprocess.Popen(rollcall("consume", "--config", str(parts.config)), stderr=subprocess.PIPE) as consumer:
        parts.wait_until_written()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            assert client.get("/readyz").json() == {"log": "ok", "warehouse": "ok", "consumers": "ok"}
            assert "rollcall_consumed_records_total" in client.get("/metrics").text
        assert "answers no queries" in parts.run("report", "days", check=False).stderr
        os.kill(consumer.pid, signal.SIGTERM)
        assert consumer.wait(PATIENCE) == 0
        assert consumer.stderr
        assert b"Traceback" not in consumer.stderr.read()
    assert parts.stop() == 0, parts.output

    warehouse = await open_warehouse(f"chdb://{tmp_path}/warehouse", "a test")
    try:
        rows = await warehouse.query("SELECT event_key FROM activity FINAL")
    finally:
        await warehouse.close()
    assert sorted(row["event_key"] for row in rows) == sorted(key for key, _ in sent)


def test_consume_without_tables_names_migrate(tmp_path: Path) -> None:
    done = Installation(tmp_path, measured=True, extra_settings='consumer.listen = ""').run("consume", check=False)
    assert done.returncode == 1
    assert "run rollcall migrate" in done.stderr


def test_a_taken_port_is_wrong_usage_and_names_the_setting(tmp_path: Path) -> None:
    first = Installation(tmp_path / "first")
    first.start()
    second = Installation(tmp_path / "second", port=first.port)
    done = second.run("up", check=False)
    assert (done.returncode, "listen: cannot listen on" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
    third = Installation(tmp_path / "third", sql_port=first.port)
    done = third.run("up", check=False)
    assert (done.returncode, "sql_listen: cannot listen on" in done.stderr) == (2, True)
    assert first.stop() == 0


def test_a_second_up_says_who_holds_the_files(tmp_path: Path) -> None:
    first = Installation(tmp_path, measured=True)
    first.start()
    assert first.process
    done = first.run("up", check=False)
    assert done.returncode == 1
    assert f"process {first.process.pid} (rollcall up) holds the embedded warehouse" in done.stderr
    assert first.stop() == 0


def test_rebuild_is_done_by_the_up_that_holds_the_files(tmp_path: Path) -> None:
    up = Installation(tmp_path, measured=True)
    up.start()
    assert_counts_what_is_no_http(up)
    assert up.post(comment_created(1)[1]) == 204
    up.wait_until_written()
    up.wait_for("/readyz")
    assert up.run("rebuild").stdout == "acme: rebuilt 2026-11\n"
    assert len(up.report("days", "--days", "9999")) == 1
    assert len(up.report("users", "--days", "9999")) == 1
    assert up.stop() == 0, up.output
