"""An event log in memory that can be told to be slow, full or broken."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence

from rollcall.eventlog import Entry, Reader, Record, Remark, TopicState
from rollcall.records import Activity, DeadLetter, decode_activity, decode_dead_letter


class MemoryLog:
    """Appends to lists. Only what ingest uses of an event log is there; the rest says so.

    Attributes:
        fault: Raised by every append while it is set.
        held: Appends wait while it is set.
        waiting: How many appends wait now.
    """

    remarks: Sequence[Remark] = ()

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.fault: Exception | None = None
        self.held = threading.Event()
        self.waiting = 0
        self.closed = False

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        self.waiting += 1
        try:
            while self.held.is_set():
                await asyncio.sleep(0.005)
        finally:
            self.waiting -= 1
        if self.fault:
            raise self.fault
        self.records.setdefault(topic, []).extend(records)

    async def check(self) -> None:
        if self.fault:
            raise self.fault

    async def close(self) -> None:
        self.closed = True

    async def reader(self, topic: str, group: str) -> Reader:
        raise NotImplementedError

    def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        raise NotImplementedError

    async def state(self, topic: str) -> TopicState:
        raise NotImplementedError

    async def retain(self) -> int:
        return 0

    @property
    def facts(self) -> list[Activity]:
        return [decode_activity(record.value) for record in self.records.get("rollcall.activity", [])]

    @property
    def letters(self) -> list[DeadLetter]:
        return [decode_dead_letter(record.value) for record in self.records.get("rollcall.deadletter", [])]
