"""A query is stopped by the name that its client gave it, as the JDBC driver does."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from console.sqldoor import DoorLimits

from .house import Door, House

ENDLESS = "SELECT count() FROM numbers(1900000000) WHERE sipHash64(toString(number)) = 1"


def kill(door: Door, query_id: str) -> httpx.Response:
    return door.ask(f"KILL QUERY WHERE query_id = '{query_id}'")


def test_a_query_is_killed_by_its_name(door: Door) -> None:
    with ThreadPoolExecutor() as clients:
        asked = [clients.submit(door.ask, ENDLESS, query_id="mine") for _ in range(2)]
        time.sleep(0.5)
        began = time.monotonic()
        assert kill(door, "mine").status_code == 200
        for one in asked:
            answer = one.result(30)
            assert answer.headers["X-ClickHouse-Exception-Code"] == "394"
            assert answer.status_code == 500
        assert time.monotonic() - began < 10


def test_a_query_that_waits_for_its_turn_is_killed_too(house: House) -> None:
    with house.door(limits=DoorLimits(concurrent=1)) as door, ThreadPoolExecutor() as clients:
        running = clients.submit(door.ask, ENDLESS, query_id="running")
        time.sleep(0.5)
        waiting = clients.submit(door.ask, "SELECT 1", query_id="waiting")
        time.sleep(0.3)
        kill(door, "waiting")
        assert waiting.result(5).headers["X-ClickHouse-Exception-Code"] == "394"
        assert not running.done()
        kill(door, "running")
        assert running.result(30).headers["X-ClickHouse-Exception-Code"] == "394"
        # Its slot is free again.
        assert door.text("SELECT 1") == "1\n"


def test_an_answer_under_way_is_cut_short(door: Door) -> None:
    sql = "SELECT number, repeat('x', 100) FROM numbers(10000000)"
    with httpx.stream("POST", door.url, params={"query_id": "long"}, content=sql, timeout=60) as answer:
        chunks = answer.iter_raw()
        assert next(chunks)
        kill(door, "long")
        with pytest.raises(httpx.RemoteProtocolError):
            sum(map(len, chunks))


@pytest.mark.parametrize(
    "statement",
    [
        "KILL QUERY WHERE query_id = 'nobody'",
        " kill  query where query_id='nobody' SYNC ;",
        "KILL QUERY WHERE query_id = 'nobody' ASYNC FORMAT Null",
    ],
)
def test_other_queries_go_on(door: Door, statement: str) -> None:
    with ThreadPoolExecutor() as clients:
        asked = clients.submit(
            door.ask, "SELECT sum(sipHash64(toString(number))) > 0 FROM numbers(20000000)", query_id="other"
        )
        time.sleep(0.3)
        assert not asked.done()
        assert door.ask(statement).text == ""
        assert asked.result(60).text == "1\n"


@pytest.mark.parametrize(
    "statement",
    [
        "KILL QUERY WHERE 1",
        "KILL QUERY WHERE query_id != 'x'",
        "KILL QUERY WHERE query_id = 'x' OR 1",
        "KILL QUERY WHERE query_id = 'x' TEST",
        "KILL QUERY WHERE user = 'default'",
        "KILL MUTATION WHERE 1",
        "KILL QUERY WHERE query_id = 'x'; SELECT 1",
    ],
)
def test_nothing_else_is_killed(door: Door, statement: str) -> None:
    assert door.code(statement) in (62, 164)
