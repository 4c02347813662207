"""A query past its deadline is told at once, whatever the event loop is busy with."""

import time
from concurrent.futures import Future
from unittest.mock import Mock

import pytest

from console.sqldoor import overdue
from console.sqldoor.overdue import TOLD_AFTER, OverdueQueries

from .test_limits import until


def test_it_is_told_by_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr(overdue, "log", log)
    told: list[tuple[int, float]] = []
    began = time.monotonic()
    queries = OverdueQueries(lambda number: told.append((number, time.monotonic() - began)))
    blind, other, quick = (Future[None]() for _ in range(3))
    queries.watch("blind", blind, 0.1)
    queries.watch("other", other, 0.3)
    queries.watch("quick", quick, 0.2)
    quick.set_result(None)
    assert queries.under_way == 2
    until(lambda: len(told) == 2)
    assert [number for number, _ in told] == [1, 2]
    for (_, at), deadline in zip(told, (0.1, 0.3), strict=True):
        assert TOLD_AFTER <= at - deadline < 1.0
    until(lambda: log.error.call_count == 2)
    blind.set_result(None)
    other.set_exception(RuntimeError())
    assert [number for number, _ in told] == [1, 2, 1, 0]
    assert queries.under_way == 0


def test_one_that_begins_later_and_ends_earlier_is_not_waited_for() -> None:
    told: list[int] = []
    queries = OverdueQueries(told.append)
    long, short = Future[None](), Future[None]()
    queries.watch("long", long, 60.0)
    time.sleep(0.1)
    queries.watch("short", short, 0.0)
    until(lambda: told == [1], seconds=5)
    long.set_result(None)
    short.set_result(None)
