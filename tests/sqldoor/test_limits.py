"""Queries are held to their limits, and none is left running."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import StreamFailureError

from console.sqldoor import DoorLimits

from .house import Door, House

TIMEOUT, BUSY = 159, 202
ENDLESS = "SELECT count() FROM numbers(1000000) AS a, numbers(1000000) AS b WHERE a.number * b.number % 7 = 3"
ENDLESS_STREAM = "SELECT number, repeat('x', 1000) FROM numbers(2000000)"


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that must happen soon."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(house: House) -> int:
    """How many queries of doors run in the engine."""
    sql = "SELECT count() AS n FROM system.processes WHERE Settings['readonly'] = '1'"
    [row] = house.run(house.warehouse.query(sql))
    n: int = row["n"]
    return n


def test_a_query_that_takes_too_long_is_stopped(house: House) -> None:
    with house.door(limits=DoorLimits(seconds=0.5, read_rows=10**15)) as door:
        answer = door.ask(ENDLESS)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (408, "159")
        assert door.code(f"SELECT ({ENDLESS})") == TIMEOUT
        assert door.code(f"EXPLAIN QUERY TREE SELECT ({ENDLESS})") == TIMEOUT
        assert door.text("SELECT 1") == "1\n"
    until(lambda: running(house) == 0)


def test_a_request_may_ask_for_less_time(house: House, door: Door) -> None:
    assert door.code(ENDLESS.replace("1000000", "40000"), max_execution_time="0.2") == TIMEOUT


def test_a_request_that_asks_for_more_time_gets_what_there_is(house: House) -> None:
    with house.door(limits=DoorLimits(seconds=0.2)) as door:
        assert door.code(ENDLESS.replace("1000000", "40000"), max_execution_time="3600") == TIMEOUT


def test_a_query_that_does_not_look_at_the_clock_is_answered_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sqldoor.answer.GRACE", 0.1)
    naive = "SELECT position(repeat('a', 1000000), concat(repeat('a', 60000), 'b'))"
    with house.door(limits=DoorLimits(seconds=0.6, concurrent=2)) as door:
        answer = door.ask(naive)
        assert "The query stops when it next looks" in answer.text
        assert answer.headers["X-ClickHouse-Exception-Code"] == "159"
        # It still has one of the two places; the other one serves.
        assert door.text("SELECT 1") == "1\n"
        until(lambda: running(house) == 0)
        assert door.text("SELECT 1") == "1\n"


@pytest.mark.parametrize(
    ("limits", "sql", "code"),
    [
        (DoorLimits(result_rows=10), "SELECT number FROM numbers(1000000)", 396),
        (DoorLimits(result_bytes=1000), "SELECT repeat('x', 1000) FROM numbers(1000000)", 396),
        (DoorLimits(read_rows=10), "SELECT count() FROM numbers(1000000) WHERE number % 3 = 1", 158),
        (DoorLimits(memory=10_000_000), "SELECT groupArray(number) FROM numbers(100000000)", 241),
        (DoorLimits(memory=10_000_000), "SELECT * FROM numbers(100000000) ORDER BY number % 1000", 241),
        (DoorLimits(query_bytes=20), "SELECT 1, 2, 3, 4, 5, 6", 223),
    ],
)
def test_a_query_that_takes_too_much_is_stopped(house: House, limits: DoorLimits, sql: str, code: int) -> None:
    with house.door(limits=limits) as door:
        assert door.code(sql) == code
        assert door.code(f"{sql} FORMAT JSON") == code


def test_an_answer_that_fails_half_way_is_noticed(door: Door) -> None:
    half_way = "SELECT number, intDiv(1, toInt64(number) - 1500000) FROM numbers(2000000)"
    chunks: list[bytes] = []
    with httpx.stream("POST", door.url, content=f"{half_way} FORMAT CSV", timeout=60) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            chunks.extend(answer.iter_bytes())
    body = b"".join(chunks)[-1000:]
    tag = answer.headers["X-ClickHouse-Exception-Tag"]
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 153. DB::Exception: ".encode() in body
    with (
        clickhouse_connect.get_client(host="127.0.0.1", port=door.port) as client,
        pytest.raises(StreamFailureError, match="Division by zero"),
        client.query_row_block_stream(half_way) as blocks,
    ):
        for _ in blocks:
            pass


def test_a_large_answer_takes_little_memory(door: Door) -> None:
    def resident() -> int:
        """Bytes of memory without the pages of the engine's file."""
        _, everything, shared, *_ = Path("/proc/self/statm").read_text().split()
        return (int(everything) - int(shared)) * 4096

    query = "SELECT number, repeat('x', 1000) AS long FROM numbers(250000) FORMAT JSON"
    size, most, before = 0, 0, resident()
    with httpx.stream("POST", door.url, content=query, timeout=60) as answer:
        assert "Content-Length" not in answer.headers
        for chunk in answer.iter_raw():
            size += len(chunk)
            most = max(most, resident())
    assert size > 250_000_000
    assert most - before < size / 2


def test_too_many_queries_at_once_are_refused(house: House) -> None:
    with house.door(limits=DoorLimits(concurrent=1, waiting=1, wait_seconds=0.1)) as door:
        with httpx.stream("POST", door.url, content=ENDLESS_STREAM, timeout=60) as answer:
            assert answer.status_code == 200
            assert door.code("SELECT 1") == BUSY
        until(lambda: door.ask("SELECT 1").status_code == 200)
    with (
        house.door(limits=DoorLimits(concurrent=1, waiting=0)) as door,
        httpx.stream("POST", door.url, content=ENDLESS_STREAM, timeout=60),
    ):
        assert door.code("SELECT 1") == BUSY


def test_a_query_waits_for_its_turn(house: House) -> None:
    with house.door(limits=DoorLimits(concurrent=1, wait_seconds=30)) as door:
        with httpx.stream("POST", door.url, content=ENDLESS_STREAM, timeout=60) as answer:
            next(answer.iter_raw())
            waiting = socket.create_connection(("127.0.0.1", door.port))
            waiting.sendall(b"GET /?query=SELECT+42 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting.settimeout(30)
        with waiting:
            assert waiting.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_takes_nothing_is_dropped(house: House) -> None:
    with (
        house.door(limits=DoorLimits(concurrent=1, stall_seconds=0.2, wait_seconds=30)) as door,
        httpx.stream("POST", door.url, content=ENDLESS_STREAM, timeout=60),
    ):
        assert door.text("SELECT 1") == "1\n"
    until(lambda: running(house) == 0)


def test_a_client_that_leaves_takes_its_query_along(house: House, door: Door) -> None:
    for query in (ENDLESS.replace("1000000", "40000"), ENDLESS_STREAM):
        with socket.create_connection(("127.0.0.1", door.port)) as leaving:
            head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(query)}\r\n\r\n"
            leaving.sendall((head + query).encode())
            until(lambda: running(house) == 1)
        until(lambda: running(house) == 0, seconds=20)


def test_a_door_that_closes_stops_its_queries(house: House) -> None:
    with house.door() as door:
        leaving = socket.create_connection(("127.0.0.1", door.port))
        with httpx.stream("POST", door.url, content=ENDLESS_STREAM, timeout=60):
            until(lambda: running(house) == 1)
        leaving.close()
    assert running(house) == 0
