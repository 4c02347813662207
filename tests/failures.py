"""A log and a warehouse that fail from their n-th durable call on.

What stands after a failure at every n is what a crash at every place would leave: an order of writing that matters
shows in one of them.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rollcall.errors import LogUnavailableError, RollcallError, WarehouseUnavailableError
from rollcall.eventlog import Entry, EventLog, Position, Reader, Record, Remark, TopicState
from rollcall.warehouse import Row, Warehouse


class Failures:
    """Counts durable calls, of one log or warehouse or of several, and fails from the n-th on.

    Args:
        first: Which call fails first, counted from 1.
        last: Which is the last to fail; None when all do from the first on.
        failed: Called at each failure.
    """

    def __init__(self, first: int, last: int | None = None, failed: Callable[[], object] = lambda: None) -> None:
        self._first = first
        self._last = last
        self._failed = failed
        self.calls = 0

    def durable(self, error: type[RollcallError]) -> None:
        """Count a durable call before it is made."""
        self.calls += 1
        if self.calls >= self._first and (self._last is None or self.calls <= self._last):
            self._failed()
            raise error("away")


class FailingLog:
    """A log whose appends and commits count.

    Args:
        log: The real one.
        failures: What they count against.
        topics: Topics whose appends count; None for all.
        commits: Whether commits count too.
    """

    def __init__(
        self, log: EventLog, failures: Failures, topics: Collection[str] | None = None, *, commits: bool = True
    ) -> None:
        self._log = log
        self._failures = failures
        self._topics = topics
        self._commits = commits

    @property
    def remarks(self) -> Sequence[Remark]:
        return self._log.remarks

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        if self._topics is None or topic in self._topics:
            self._failures.durable(LogUnavailableError)
        await self._log.append(topic, records)

    async def reader(self, topic: str, group: str) -> Reader:
        reader = await self._log.reader(topic, group)
        return _FailingReader(reader, self._failures) if self._commits else reader

    def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        return self._log.scan(topic, begin)

    async def state(self, topic: str) -> TopicState:
        return await self._log.state(topic)

    async def retain(self) -> int:
        return await self._log.retain()

    async def check(self) -> None:
        await self._log.check()

    async def close(self) -> None:
        await self._log.close()


class _FailingReader:
    def __init__(self, reader: Reader, failures: Failures) -> None:
        self._reader = reader
        self._failures = failures

    async def read(self, max_records: int, max_wait: float) -> Sequence[Entry]:
        return await self._reader.read(max_records, max_wait)

    async def commit(self, entries: Sequence[Entry], metadata: Mapping[int, str] | None = None) -> None:
        self._failures.durable(LogUnavailableError)
        await self._reader.commit(entries, metadata)

    def unaccepted(self) -> Sequence[Position]:
        return self._reader.unaccepted()

    def accept(self, position: Position) -> None:
        self._reader.accept(position)

    async def restart(self, position: Position, metadata: str) -> int:
        self._failures.durable(LogUnavailableError)
        return await self._reader.restart(position, metadata)

    async def rewind(self) -> None:
        await self._reader.rewind()

    async def close(self) -> None:
        await self._reader.close()


class FailingWarehouse(Warehouse):
    """A warehouse whose inserts and statements count; queries do not.

    Args:
        warehouse: The real one, which stays to be closed.
        failures: What they count against.
    """

    def __init__(self, warehouse: Warehouse, failures: Failures) -> None:
        self._real = warehouse
        self._failures = failures
        self.holder = warehouse.holder
        self.cluster = warehouse.cluster

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        return await self._real.query(sql, parameters)

    async def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._failures.durable(WarehouseUnavailableError)
        await self._real.command(sql, parameters)

    async def insert_lines(self, table: str, lines: Sequence[bytes]) -> None:
        self._failures.durable(WarehouseUnavailableError)
        await self._real.insert_lines(table, lines)

    async def fetch(self, sql: str, form: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        return await self._real.fetch(sql, form, parameters)

    async def insert_file(self, table: str, file: Path, form: str) -> None:
        self._failures.durable(WarehouseUnavailableError)
        await self._real.insert_file(table, file, form)

    async def close(self) -> None:
        """Nothing of its own to close."""
