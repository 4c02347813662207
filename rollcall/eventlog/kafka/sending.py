"""Appending: an idempotent producer that is replaced when it has failed."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Record
from rollcall.eventlog.kafka.budget import Budget
from rollcall.eventlog.kafka.connection import Connection
from rollcall.eventlog.kafka.ending import end_producer
from rollcall.eventlog.kafka.trouble import within
from rollcall.logs import logger

_log = logger(__name__)

OVERHEAD = 128
"""Bytes counted for a record besides key and value: its frame in a batch, and its future."""

_BATCH_BYTES = 1024 * 1024
_REPLACE_PAUSE = 1.0
"""Seconds between two producers; a failure that repeats at once must not become a storm of connections."""


class Sending:
    """Appends records to partitions by their keys.

    While a batch is on its way to a partition, what comes for that partition gathers in the next one, so concurrent
    appends share requests and the brokers' flushes. The producer numbers its batches and repeats one until it is
    acknowledged by all in-sync copies, without writing it twice. A batch that fails for good leaves a gap in the
    numbers, after which Kafka refuses all that follow: hence a new producer, with numbers of its own.
    """

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._settings = connection.settings
        self._budget = Budget(connection.settings.pending_bytes)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._replaced_at = -_REPLACE_PAUSE
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises LogUnavailableError."""
        async with within(self._settings.append_timeout, "connecting a producer"):
            await self._usable()

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
                await self._deliver(topic, records, deliveries)
        finally:
            for delivery in deliveries:
                delivery.add_done_callback(_look_at)
            self._budget.give_back(size, deliveries)
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Finish what was appended, within the patience of an append, and hang up."""
        self._closed = True
        await self._idle.wait()
        producer, self._producer = self._producer, None
        if producer:
            self._end(producer)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _deliver(self, topic: str, records: Sequence[Record], deliveries: "list[asyncio.Future[Any]]") -> None:
        producer = await self._usable()
        try:
            for record in records:
                deliveries.append(await producer.send(topic, record.value, key=record.key or None))
            # Not gather: cancelled, it would cancel the deliveries, which go on all the same.
            await asyncio.wait(deliveries)
            for delivery in deliveries:
                delivery.result()
        except (KafkaTimeoutError, UnknownTopicOrPartitionError):
            raise  # full, or not told of the topic, for too long: no fault of the producer
        except KafkaError as error:
            self._replace(producer, error)
            raise

    async def _usable(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                if time.monotonic() - self._replaced_at < _REPLACE_PAUSE:
                    raise LogUnavailableError("the last append to Kafka failed; a new producer starts in a moment")
                self._producer = await self._started()
            return self._producer

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            compression_type=None if self._settings.compression == "none" else self._settings.compression,
            max_batch_size=_BATCH_BYTES,
            max_request_size=self._settings.message_bytes,
            **self._connection.arguments(),
        )
        try:
            await producer.start()
            await producer.client.set_topics(self._topics)
        except BaseException:
            self._end(producer, patience=0.1)
            raise
        return producer

    def _replace(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        if self._producer is producer:
            _log.warning("appending to Kafka failed; starting a new producer", cause=repr(error))
            self._producer = None
            self._replaced_at = time.monotonic()
            self._end(producer)

    def _end(self, producer: AIOKafkaProducer, patience: float | None = None) -> None:
        seconds = min(self._settings.append_timeout, 5.0) if patience is None else patience
        task = asyncio.create_task(end_producer(producer, seconds))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

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


def _look_at(delivery: "asyncio.Future[Any]") -> None:
    """Look at an outcome that nobody waits for any more, so that the event loop does not complain of it."""
    if not delivery.cancelled():
        delivery.exception()
