"""Appending: records go to partitions by their keys, in batches, through one idempotent producer."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Record
from rollcall.eventlog.kafka.budget import Budget
from rollcall.eventlog.kafka.connection import Connection
from rollcall.eventlog.kafka.producing import Producing
from rollcall.eventlog.kafka.trouble import within

OVERHEAD = 128
"""Bytes counted for a record besides key and value: its frame in a batch, and its future."""


class Sending:
    """Appends records to partitions by their keys.

    While a batch is on its way to a partition, what comes for that partition gathers in the next one, so concurrent
    appends share requests and the brokers' flushes. The producer numbers its batches and repeats one until it is
    acknowledged by all in-sync copies, without writing it twice. A batch that fails for good leaves a gap in the
    numbers, after which Kafka refuses all that follow: hence a new producer, with numbers of its own.
    """

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._settings = connection.settings
        self._budget = Budget(connection.settings.pending_bytes)
        self._producing = Producing(connection, topics)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises LogUnavailableError."""
        async with within(self._settings.append_timeout, "connecting a producer"):
            await self._producing.get()

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        """Append records; when this returns all in-sync copies have them.

        Raises:
            LogUnavailableError: Not all are known to be there.
        """
        if self._closed:
            raise LogUnavailableError("the event log is closed")
        size = self._measure(records)
        self._budget.take(size)
        self._running += 1
        self._idle.clear()
        deliveries: list[asyncio.Future[Any]] = []
        try:
            async with within(self._settings.append_timeout, f"appending to {topic}"):
                await self._deliver(await self._producing.get(), topic, records, deliveries)
        finally:
            self._budget.give_back(size, deliveries)
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Finish what was appended, within the patience of an append, and hang up."""
        self._closed = True
        await self._idle.wait()
        await self._producing.close()

    async def _deliver(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        records: Sequence[Record],
        deliveries: "list[asyncio.Future[Any]]",
    ) -> None:
        delivered = False
        try:
            for record in records:
                delivery = await producer.send(topic, record.value, key=record.key or None)
                # Also of one that fails when nobody waits for it any more: the batches after it would be refused.
                delivery.add_done_callback(partial(self._look_at, producer))
                deliveries.append(delivery)
            # Not gather: cancelled, it would cancel the deliveries, which go on all the same.
            await asyncio.wait(deliveries)
            for delivery in deliveries:
                delivery.result()
            delivered = True
        finally:
            if delivered:
                self._producing.heard(producer)
            else:
                self._producing.unheard(producer)

    def _look_at(self, producer: AIOKafkaProducer, delivery: "asyncio.Future[Any]") -> None:
        if delivery.cancelled():
            return
        if isinstance(error := delivery.exception(), KafkaError):
            self._producing.replace(producer, repr(error))

    def _measure(self, records: Sequence[Record]) -> int:
        """Return the bytes that records take; looks at all of them before any is sent."""
        total = 0
        for record in records:
            if not isinstance(record.value, bytes) or not isinstance(record.key, bytes):
                raise TypeError(f"a record's value and key must be bytes, not {type(record.value).__name__}")
            size = len(record.value) + len(record.key) + OVERHEAD
            if size > self._settings.message_bytes:
                raise LogUnavailableError(
                    f"a record of {size} bytes is larger than kafka.message_bytes, {self._settings.message_bytes}; "
                    "raise it, and max.message.bytes of the topic"
                )
            total += size
        return total
