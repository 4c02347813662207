"""A server with a log in memory, easy to break; one for all tests, because starting one takes a while."""

from collections.abc import Iterator

import pytest

from rollcall.settings import Settings

from .memory_log import MemoryLog
from .serving import Served, served


@pytest.fixture(scope="session")
def shared_server() -> Iterator[tuple[Served, MemoryLog]]:
    memory = MemoryLog()

    async def opened(_: Settings) -> MemoryLog:
        return memory

    with served(opened) as running:
        yield running, memory


@pytest.fixture
def memory(shared_server: tuple[Served, MemoryLog], monkeypatch: pytest.MonkeyPatch) -> MemoryLog:
    # What the server remembers of the tests before: dead letters and log lines of the last minutes.
    monkeypatch.setattr("ingest.handler.RECENT_SECONDS", 0.0)
    monkeypatch.setattr("rollcall.logs.LINES_A_MINUTE", 1_000_000)
    log = shared_server[1]
    log.records.clear()
    log.fault = None
    log.held.clear()
    return log


@pytest.fixture
def server(shared_server: tuple[Served, MemoryLog], memory: MemoryLog) -> Served:
    return shared_server[0]
