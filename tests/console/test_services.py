"""What goes on beside the consumers outlives whatever a round of it meets, and shows no value that was not measured."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from console.commands import services
from console.process import in_background
from rollcall.dead_letters import dead_letter, record_of
from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Entry, TopicState
from rollcall.runtime import Runtime, topics_of
from rollcall.settings import RetentionSettings, Settings
from tests.ingest.memory_log import MemoryLog

pytestmark = pytest.mark.anyio

AWAY = LogUnavailableError("the brokers are away")
SETTINGS = Settings(topic_prefix="upkeep", retention=RetentionSettings(every_seconds=0.01))


class Moody(MemoryLog):
    """Can be measured and cleaned up, or not; counts the rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.lag = 1
        self.rounds = 0

    async def state(self, topic: str) -> TopicState:
        self.rounds += 1
        if self.fault and topic == "upkeep.deadletter":  # the last that is asked for
            raise self.fault
        return TopicState(7, 70, {"warehouse": self.lag}, end=7)

    async def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        for number, settled in enumerate(("", "", "dismissed")):
            letter = dead_letter("acme", "webhook", b"%d" % (number % 2), "not_json", "No JSON.", number)
            record = record_of(msgspec.structs.replace(letter, settled=settled))
            yield Entry(record.value, 0, number, "")

    async def retain(self) -> int:
        self.rounds += 1
        if self.fault:
            raise self.fault
        return 0

    async def next_rounds(self) -> None:
        """Wait until two more have ended."""
        wanted = self.rounds + 9  # of three topics each
        async with asyncio.timeout(30):
            while self.rounds < wanted:
                await asyncio.sleep(0.005)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Moody:
    monkeypatch.setattr(services, "_MEASURE_SECONDS", 0.01)
    return Moody()


@pytest.fixture(autouse=True)
def no_series() -> Iterator[None]:
    yield
    services._unmeasured()


def runtime_on(log: Moody) -> Runtime:
    return Runtime(SETTINGS, topics_of(SETTINGS), log)


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"topic": "upkeep.activity", **labels})


def all_shown() -> Sequence[float | None]:
    return (
        shown("rollcall_log_records"),
        shown("rollcall_log_bytes"),
        shown("rollcall_log_lag_records", group="warehouse"),
    )


def open_letters() -> float | None:
    return REGISTRY.get_sample_value("rollcall_dead_letters_open", {"topic": "upkeep.deadletter"})


@asynccontextmanager
async def failing(log: Moody, fault: Exception) -> AsyncIterator[list[Any]]:
    """For some rounds; gives what is logged meanwhile."""
    with capture_logs() as lines:
        log.fault = fault
        await log.next_rounds()
        yield lines
        log.fault = None
        await log.next_rounds()


@pytest.mark.parametrize(
    ("fault", "level", "words"),
    [(AWAY, "warning", "log cannot be measured"), (KeyError("of ours"), "error", "measuring the log failed")],
)
async def test_the_lag_is_absent_while_it_cannot_be_measured(
    log: Moody, fault: Exception, level: str, words: str
) -> None:
    async with in_background(measuring=partial(services.measure_log, runtime_on(log), letters=True)):
        await log.next_rounds()
        assert all_shown() == (7, 70, 1)
        assert open_letters() == 1
        async with failing(log, fault) as lines:
            assert all_shown() == (None, None, None)
            assert open_letters() is None
            assert {line["log_level"] for line in lines} == {level}
            assert all(line["event"].startswith(words) for line in lines)
            assert len(lines) > 1  # the round after it went on
            log.lag = 5
        assert all_shown() == (7, 70, 5)


@pytest.mark.parametrize(("fault", "level"), [(AWAY, "warning"), (KeyError("of ours"), "error")])
async def test_retention_goes_on_after_a_failure(log: Moody, fault: Exception, level: str) -> None:
    retention = partial(services.retain_log, runtime_on(log))
    async with in_background(retention=retention), failing(log, fault) as lines:
        assert {line["log_level"] for line in lines} == {level}
        assert len(lines) > 1
