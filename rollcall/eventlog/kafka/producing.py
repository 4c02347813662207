"""The producer that appends use: one for all of them, replaced when it has failed."""

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.kafka.connection import Connection
from rollcall.eventlog.kafka.ending import end_producer
from rollcall.eventlog.kafka.trouble import within
from rollcall.logs import logger

_log = logger(__name__)

_BATCH_BYTES = 1024 * 1024
_PAUSE = 1.0
"""Seconds between two producers; a failure that repeats at once must not become a storm of connections."""

_PATIENCES = 3
"""Requests that a start may wait for one after the other: brokers, topics, a producer's id. So much silence is long."""

_END_SECONDS = 5.0


class Producing:
    """Starts a producer for whoever needs one first, and a new one after it has failed.

    A start has a patience of its own: it takes what it takes, not what one append has left of its time.

    Args:
        connection: How to connect.
        topics: What it will append to.
    """

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._patience = _PATIENCES * connection.settings.request_timeout
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

    def heard(self, producer: AIOKafkaProducer) -> None:
        """Note that the brokers took something from it."""
        if self._producer is producer:
            self._silent_since = None

    def unheard(self, producer: AIOKafkaProducer) -> None:
        """Note that an append was given up; a producer of which nothing has been taken for long is replaced.

        It mends most troubles by itself, but none once what keeps it informed of the brokers has ended.
        """
        ended, now = producer.client._sync_task.done(), time.monotonic()
        if self._producer is producer:
            self._silent_since = self._silent_since or now
            if ended or now - self._silent_since > self._patience:
                self.replace(producer, "nothing was taken of it for long")

    def replace(self, producer: AIOKafkaProducer, cause: str) -> None:
        """Have the next append start a new producer, unless that has happened."""
        if self._producer is producer:
            _log.warning("appending to Kafka failed; starting a new producer", cause=cause)
            self._producer = None
            self._failed_at = time.monotonic()
            self._end(producer, self._longest_end)

    async def close(self) -> None:
        """Deliver what is buffered, within the patience of an append, and hang up."""
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
                async with within(self._patience, "connecting a producer"):
                    await producer.start()
                    await producer.client.set_topics(self._topics)
            except BaseException:
                self._failed_at = time.monotonic()
                self._end(producer, 0.1)
                raise
            self._producer, self._silent_since = producer, None
            return producer
        finally:
            self._starting = None

    def _end(self, producer: AIOKafkaProducer, patience: float) -> None:
        task = asyncio.create_task(end_producer(producer, patience))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _look_at(starting: "asyncio.Task[AIOKafkaProducer]") -> None:
    """Look at an outcome that perhaps nobody waits for, so that the event loop does not complain of it."""
    if not starting.cancelled():
        starting.exception()
