"""An outage is told of in a few lines, however many tries it takes: what is waited for, why, and for how long."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from rollcall.errors import LogUnavailableError, SchemaError, WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.outage import Outage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_words_on_retries")]

REFUSED = WarehouseUnavailableError("the warehouse refuses connections")
FULL = WarehouseUnavailableError("the warehouse has no disk left")
AWAY = LogUnavailableError("no broker answers")


class Calls:
    """A call that takes its time and fails as it is told to, and the clock by which it does."""

    def __init__(self, failures: Sequence[Exception], seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self._failures = list(reversed(failures))

    def clock(self) -> float:
        return self.now

    async def __call__(self) -> str:
        if not self._failures:
            return "done"
        self.now += self.seconds
        raise self._failures.pop()


async def lines_of(
    failures: Sequence[Exception], seconds: float, outage: Outage | None = None
) -> list[tuple[object, ...]]:
    calls = Calls(failures, seconds)
    outage = outage or Outage(logger("test"), 0.0, topic="rollcall.activity", clock=calls.clock)
    with capture_logs() as lines:
        assert await outage.wait_out(calls, asyncio.Event()) == "done"
    assert outage.trouble is None
    assert all(line["topic"] == "rollcall.activity" for line in lines)
    return [(line["event"], line.get("cause"), line.get("seconds"), line["tries"]) for line in lines]


async def test_no_line_without_a_failure() -> None:
    assert await lines_of([], 1.0) == []


async def test_a_line_at_the_beginning_one_a_minute_and_one_at_the_end() -> None:
    assert await lines_of([REFUSED] * 201, 1.0) == [
        ("waiting for the warehouse", str(REFUSED), 0, 1),
        ("waiting for the warehouse", str(REFUSED), 60, 61),
        ("waiting for the warehouse", str(REFUSED), 120, 121),
        ("waiting for the warehouse", str(REFUSED), 180, 181),
        ("the warehouse answers again after 200 s", None, None, 201),
    ]


async def test_a_change_of_the_reason_is_told_at_once() -> None:
    assert await lines_of([REFUSED] * 20 + [AWAY] * 10 + [FULL] * 10, 0.5) == [
        ("waiting for the warehouse", str(REFUSED), 0, 1),
        ("waiting for the event log", str(AWAY), 10, 21),
        ("waiting for the warehouse", str(FULL), 15, 31),
        ("the warehouse answers again after 20 s", None, None, 40),
    ]


async def test_reasons_that_alternate_are_told_once_a_minute_each() -> None:
    lines = await lines_of([REFUSED, FULL] * 121, 0.5)
    assert [seconds for event, _, seconds, _ in lines if event == "waiting for the warehouse"] == [
        0,
        0,
        60,
        60,
        120,
        120,
    ]


async def test_a_reason_is_the_same_whatever_its_figures() -> None:
    lines = await lines_of([LogUnavailableError(f"{n} bytes of records wait for it") for n in range(100)], 0.1)
    assert len(lines) == 2


async def test_outages_that_come_and_go_by_the_second_are_told_of_once_a_minute() -> None:
    now = 0.0
    outage = Outage(logger("test"), 0.0, topic="rollcall.activity", clock=lambda: now)
    lines = []
    for _ in range(120):
        now += 1.0
        lines += await lines_of([REFUSED], 0.0, outage)
    assert [event for event, *_ in lines] == [
        "waiting for the warehouse",
        "the warehouse answers again after 0 s",
        "waiting for the warehouse",
        "the warehouse answers again after 0 s",
    ]


async def test_other_errors_and_those_after_the_end_was_ordered_go_through() -> None:
    stop = asyncio.Event()
    outage = Outage(logger("test"), 0.0)
    with pytest.raises(SchemaError):
        await outage.wait_out(Calls([REFUSED, SchemaError("old"), REFUSED], 0.0), stop)
    stop.set()
    with pytest.raises(WarehouseUnavailableError):
        await outage.wait_out(Calls([REFUSED], 0.0), stop)


async def test_every_further_try_is_counted_and_the_trouble_shown() -> None:
    seen = []
    outage = Outage(logger("test"), 0.0)
    await outage.wait_out(Calls([REFUSED, AWAY], 0.0), asyncio.Event(), lambda: seen.append(outage.trouble))
    assert seen == [REFUSED, AWAY]
