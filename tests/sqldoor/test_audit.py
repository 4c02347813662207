"""Each query is a line of the log where it is wanted: who, from where, what kind, how many rows; never the text."""

from unittest.mock import Mock, call

import httpx
import pytest

from console.sqldoor.audit import kind_of
from rollcall.settings import Settings

from .house import House


def test_a_query_is_a_line_without_its_text(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr("console.sqldoor.audit.log", log)
    with house.door(token="a token of the door", audit=True) as door:
        for auth in (("ann\x1b", "a token of the door"), ("ann", "wrong")):
            httpx.post(door.url, content="/* secret */ SELECT number FROM numbers(3)", auth=auth)
        httpx.post(door.url, content="SELECT no FROM user_days", headers={"x-clickhouse-key": "a token of the door"})
    assert log.mock_calls[:1] == [
        call.info("query", user="ann\\u001b", client="127.0.0.1", kind="SELECT", rows=3, ended=True)
    ]
    assert len(log.mock_calls) <= 2
    assert "secret" not in str(log.mock_calls)


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
