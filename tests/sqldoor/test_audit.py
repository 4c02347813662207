"""Each query is a line of the log where it is wanted: who, from where, what kind, how many rows; never the text."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock, call

import httpx
import pytest

from console.sqldoor import DoorLimits
from console.sqldoor.audit import kind_of
from rollcall.http.guard import MOST_FAILURES
from rollcall.logs import LINES_A_MINUTE
from rollcall.settings import Settings

from .house import House


def test_a_query_is_a_line_without_its_text(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr("console.sqldoor.audit.log", log)
    with house.door(token=TOKEN, audit=True) as door:
        for auth in (("ann\x1b", TOKEN), ("ann", "wrong")):
            httpx.post(door.url, content="/* secret */ SELECT number FROM numbers(3)", auth=auth)
    assert log.mock_calls == [line("SELECT", "ok", 0, 3, user="ann\\u001b"), line("other", "refused", 516, None)]
    assert "secret" not in str(log.mock_calls)
    assert "wrong" not in str(log.mock_calls)


def test_who_knows_no_token_is_a_line_too_and_many_are_few(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log, warned = Mock(), Mock()
    monkeypatch.setattr("console.sqldoor.audit.log", log)
    monkeypatch.setattr("console.sqldoor.door_token.log", warned)
    with house.door(token=TOKEN, audit=True) as door:
        assert httpx.get(door.url, params={"query": "DROP TABLE secret"}).status_code == 401
        for _ in range(2 * LINES_A_MINUTE):
            assert httpx.get(door.url, params={"query": "SELECT secret"}, auth=("eve", "a guess")).status_code == 401
        for _ in range(2):
            foreign = {"origin": "https://evil.example", "x-clickhouse-user": "eve"}
            assert httpx.post(door.url, content="SELECT secret", headers=foreign).status_code == 403
    assert log.mock_calls == [
        line("DROP", "refused", 516, None, user=""),
        *[line("SELECT", "refused", 516, None, user="eve")] * (LINES_A_MINUTE - 1),
        *[line("other", "refused", 0, None, user="eve")] * 2,
    ]
    assert "secret" not in str(log.mock_calls)
    assert warned.mock_calls == [call.warning("wrong token at the SQL door", client="127.0.0.1")] * MOST_FAILURES


def line(kind: str, outcome: str, code: int, rows: int | None, user: str = "ann") -> Any:
    """An audit line."""
    return call.info("query", user=user, client="127.0.0.1", kind=kind, outcome=outcome, code=code, rows=rows)


TOKEN = "a token of the door"


@pytest.mark.parametrize(
    ("query", "params", "told"),
    [
        ("DROP TABLE secret", {}, line("DROP", "refused", 164, None)),
        ("SELECT file('secret')", {}, line("SELECT", "refused", 46, None)),
        ("SELECT * FROM activity_in", {}, line("SELECT", "refused", 497, None)),
        ("SELECT 1 FROM FROM secret", {}, line("SELECT", "refused", 62, None)),
        ("", {}, line("other", "refused", 62, None)),
        ("SHOW TABLES", {"secret_setting": "1"}, line("SHOW", "refused", 164, None)),
        ("SELECT intDiv(1, number) FROM numbers(2)", {}, line("SELECT", "failed", 153, None)),
        ("SELECT number FROM numbers(1000)", {"max_result_rows": "1"}, line("SELECT", "failed", 396, None)),
        ("SELECT hasAll(range(10000000), range(250000))", {}, line("SELECT", "overdue", 159, None)),
        ("KILL QUERY WHERE query_id = 'secret'", {}, line("KILL", "ok", 0, None)),
    ],
)
def test_what_became_of_a_query_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, query: str, params: dict[str, str], told: Any
) -> None:
    log = Mock()
    monkeypatch.setattr("console.sqldoor.audit.log", log)
    with house.door(token=TOKEN, audit=True, limits=DoorLimits(seconds=1.0)) as door:
        httpx.post(door.url, content=query, params=params, auth=("ann", TOKEN), timeout=60)
    assert log.mock_calls == [told]


def test_a_query_that_is_stopped_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its client, who leaves, or by who kills it."""
    log = Mock()
    monkeypatch.setattr("console.sqldoor.audit.log", log)
    with house.door(token=TOKEN, audit=True) as door, ThreadPoolExecutor(1) as pool:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(door.url, content=ENDLESS, auth=("ann", TOKEN), timeout=0.5)
        wait_for(lambda: log.mock_calls == [line("SELECT", "cancelled", 0, None)])
        url = f"{door.url}?query_id=mine"
        asked = pool.submit(httpx.post, url, content=ENDLESS, auth=("ann", TOKEN), timeout=60)
        kill = "KILL QUERY WHERE query_id = 'mine'"
        wait_for(lambda: httpx.post(door.url, content=kill, auth=("bob", TOKEN)).is_success and asked.done())
    told = [one for one in log.mock_calls[1:] if one.kwargs["kind"] != "KILL"]
    assert told == [line("SELECT", "cancelled", 394, None)]
    assert "secret" not in str(log.mock_calls)


ENDLESS = "SELECT count() FROM numbers(1000000000) WHERE sipHash64(number, 'secret') % 7 = 1 AND NOT ignore(number)"


def wait_for(true: Callable[[], bool]) -> None:
    """Look until something is so."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("select 1", "SELECT"),
        ("-- x\n(SELECT 1)", "SELECT"),
        ("WITH 1 AS a SELECT a", "WITH"),
        ("Hunter2", "other"),
        ("", "other"),
    ],
)
def test_the_kind_is_one_of_few_words(query: str, kind: str) -> None:
    assert kind_of(query) == kind


def test_it_is_on_where_others_reach_the_address() -> None:
    for audit, listen, on in (
        ("auto", "127.0.0.1:1", False),
        ("auto", "0.0.0.0:1", True),
        ("on", "[::1]:1", True),
        ("off", "[::]:1", False),
    ):
        assert Settings.model_validate({"audit": audit}).audits(listen) is on
