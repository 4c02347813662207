"""The producer: records go to partitions by their keys, in batches, through one idempotent client of the brokers.

One for all appends, replaced when it has failed; and a bound on the bytes that wait in memory for the brokers.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Record
from rollcall.eventlog.kafka._aiokafka import end_producer, lost_metadata, subscribe_metadata
from rollcall.eventlog.kafka.brokers import Connection, within
from rollcall.logs import logger

_log = logger(__name__)


class Budget:
    """Counts the bytes of records from the moment they are appended until Kafka has them or refused them.

    A caller that gives up does not give its bytes back: the client keeps the records until they are delivered.
    """

    def __init__(self, limit: int) -> None:
        """Allow so many bytes; a single append may be larger when nothing else waits."""
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count bytes that are appended.

        Raises:
            LogUnavailableError: Too much waits already.
        """
        if self.used and self.used + size > self._limit:
            raise LogUnavailableError(f"Kafka does not keep up: {self.used} bytes of records wait for it")
        self.used += size

    def give_back(self, size: int, deliveries: Sequence["asyncio.Future[Any]"]) -> None:
        """Stop counting the bytes once the last of the deliveries has ended, well or badly."""
        waiting = {delivery for delivery in deliveries if not delivery.done()}
        if not waiting:
            self.used -= size

        def ended(delivery: "asyncio.Future[Any]") -> None:
            waiting.discard(delivery)
            if not waiting:
                self.used -= size

        for delivery in list(waiting):
            delivery.add_done_callback(ended)


_BATCH_BYTES = 1024 * 1024
_PAUSE = 1.0
"""Seconds between two producers; a failure that repeats at once must not become a storm of connections."""

_START_REQUESTS = 3
"""Requests that a start may wait for one after the other: brokers, topics, a producer's id. So much silence is long."""

_END_SECONDS = 5.0


class ProducerSupervisor:
    """Starts a producer for whoever needs one first, and a new one after it has failed.

    A start has a timeout of its own: it takes what it takes, not what one append has left of its time.

    Args:
        connection: How to connect.
        topics: What it will append to.
    """

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._timeout = _START_REQUESTS * connection.settings.request_timeout
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Task[AIOKafkaProducer] | None = None
        self._failed_at = -_PAUSE
        self._silent_since: float | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def get(self) -> AIOKafkaProducer:
        """Return a producer that works as far as is known.

        Raises:
            LogUnavailableError: It cannot be started.
        """
        if self._producer:
            return self._producer
        if not self._starting:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(_look_at)
        starting = self._starting
        await asyncio.wait({starting})  # not awaited itself: who gives up must not take the start along
        if starting.cancelled():
            raise LogUnavailableError("the event log is closed")
        return starting.result()

    def acknowledged(self, producer: AIOKafkaProducer) -> None:
        """Note that the brokers took something from it."""
        if self._producer is producer:
            self._silent_since = None

    def unacknowledged(self, producer: AIOKafkaProducer) -> None:
        """Note that an append was given up; a producer of which nothing has been taken for long is replaced.

        It mends most troubles by itself, but none once what keeps it informed of the brokers has ended.
        """
        ended, now = lost_metadata(producer), time.monotonic()
        if self._producer is producer:
            self._silent_since = self._silent_since or now
            if ended or now - self._silent_since > self._timeout:
                self.replace(producer, "nothing was taken of it for long")

    def replace(self, producer: AIOKafkaProducer, cause: str) -> None:
        """Have the next append start a new producer, unless that has happened."""
        if self._producer is producer:
            _log.warning("appending to Kafka failed; starting a new producer", cause=cause)
            self._producer = None
            self._failed_at = time.monotonic()
            self._end(producer, self._longest_end)

    async def close(self) -> None:
        """Deliver what is buffered, within the timeout of an append, and hang up."""
        if self._starting:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        producer, self._producer = self._producer, None
        if producer:
            self._end(producer, self._longest_end)
        if self._ending:
            await asyncio.wait(self._ending)

    @property
    def _longest_end(self) -> float:
        return min(self._connection.settings.append_timeout, _END_SECONDS)

    async def _start(self) -> AIOKafkaProducer:
        settings = self._connection.settings
        try:
            await asyncio.sleep(self._failed_at + _PAUSE - time.monotonic())
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=True,
                compression_type=None if settings.compression == "none" else settings.compression,
                max_batch_size=_BATCH_BYTES,
                max_request_size=settings.message_bytes,
                **self._connection.arguments(),
            )
            try:
                async with within(self._timeout, "connecting a producer"):
                    await producer.start()
                    await subscribe_metadata(producer, self._topics)
            except BaseException:
                self._failed_at = time.monotonic()
                self._end(producer, 0.1)
                raise
            self._producer, self._silent_since = producer, None
            return producer
        finally:
            self._starting = None

    def _end(self, producer: AIOKafkaProducer, timeout: float) -> None:
        task = asyncio.create_task(end_producer(producer, timeout))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _look_at(starting: "asyncio.Task[AIOKafkaProducer]") -> None:
    """Look at an outcome that perhaps nobody waits for, so that the event loop does not complain of it."""
    if not starting.cancelled():
        starting.exception()


OVERHEAD = 128
"""Bytes counted for a record besides key and value: its frame in a batch, and its future."""


class Producer:
    """Appends records to partitions by their keys.

    While a batch is on its way to a partition, what comes for that partition gathers in the next one, so concurrent
    appends share requests and the brokers' flushes. The producer numbers its batches and repeats one until it is
    acknowledged by all in-sync copies, without writing it twice. A batch that fails for good leaves a gap in the
    numbers, after which Kafka refuses all that follow: hence a new producer, with numbers of its own.
    """

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._settings = connection.settings
        self._budget = Budget(connection.settings.pending_bytes)
        self._supervisor = ProducerSupervisor(connection, topics)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises LogUnavailableError."""
        async with within(self._settings.append_timeout, "connecting a producer"):
            await self._supervisor.get()

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        """Append records; when this returns all in-sync copies have them.

        Raises:
            LogUnavailableError: Not all are known to be there.
        """
        if self._closed:
            raise LogUnavailableError("the event log is closed")
        size = self._size_of(records)
        self._budget.take(size)
        self._running += 1
        self._idle.clear()
        deliveries: list[asyncio.Future[Any]] = []
        try:
            async with within(self._settings.append_timeout, f"appending to {topic}"):
                await self._deliver(await self._supervisor.get(), topic, records, deliveries)
        finally:
            self._budget.give_back(size, deliveries)
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Finish what was appended, within the timeout of an append, and hang up."""
        self._closed = True
        await self._idle.wait()
        await self._supervisor.close()

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
                self._supervisor.acknowledged(producer)
            else:
                self._supervisor.unacknowledged(producer)

    def _look_at(self, producer: AIOKafkaProducer, delivery: "asyncio.Future[Any]") -> None:
        if delivery.cancelled():
            return
        if isinstance(error := delivery.exception(), KafkaError):
            self._supervisor.replace(producer, repr(error))

    def _size_of(self, records: Sequence[Record]) -> int:
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
