"""All that this log needs of aiokafka beyond its documented interface: private names, patches, a request it lacks.

pyproject.toml names the release that these were read against. Five things, in this order:

* Connections are aborted when they are closed. aiokafka closes politely and often without waiting for it. Polite takes
  the broker: to read what was sent, and with TLS to say goodbye. A broker that hangs does neither, and uvloop at times
  forgets the TCP connection under a TLS one that both sides close at once, then waits for it for ever when the event
  loop ends. Nothing is gained by it either, since whatever matters was answered before. So connections are cut, and
  whoever ends waits until they are gone.
* Clients end within a bound, whatever the brokers do. Their own `stop` waits for the brokers: to take what is buffered,
  to answer what was asked, to close the connection. A broker that hangs does none of that.
* Errors of a group that aiokafka takes for answers are raised. From its version 2 on, Kafka's OffsetFetch puts what is
  wrong with the group, such as a coordinator that has just moved, above an empty list of partitions. aiokafka 0.14
  reads only the list: the group seems to have committed nothing, and whoever joins it would begin at the oldest
  record, and write that down.
* DescribeLogDirs, a request of Kafka's that aiokafka lacks, asks how much of the brokers' disks a topic takes.
* What aiokafka logs is limited: it tells of every try to reach a broker that is away, several times a second.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias
from weakref import WeakSet

import aiokafka.conn
import aiokafka.consumer.consumer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Int64, Schema, String

from rollcall.logs import logger

_log = logger(__name__)

_GONE_SECONDS = 1.0
_closing: set["asyncio.Future[None]"] = set()
_alive: "WeakSet[_AbortedConnection]" = WeakSet()


class _AbortedConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka is not typed
    """A connection that is cut when it is closed."""

    def _create_reader_task(self) -> Any:
        _alive.add(self)
        return super()._create_reader_task()

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request. Raises KafkaConnectionError, also where uvloop raises RuntimeError: just after a reset."""
        try:
            return super().send(request, expect_response)
        except (NotImplementedError, KafkaError):  # KafkaError is a RuntimeError too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        """Close it; what is returned is done when it is gone."""
        transport = self._writer.transport if self._writer is not None else None
        gone = super().close(reason, exc)
        if transport is not None:
            transport.abort()
            if not gone.done():
                _closing.add(gone)
                gone.add_done_callback(_closing.discard)
        return gone


def patch_connections() -> None:
    """From now on cut every connection of aiokafka's in this process. Calling it again changes nothing."""
    aiokafka.conn.AIOKafkaConnection = _AbortedConnection


def abort_connections(client: Any) -> None:
    """Cut all connections of a client, those it is only making too, and let it make no more."""

    async def none_for_you(*_: object, **__: object) -> None:
        """Say what the client says of a broker that cannot be reached."""

    client._get_conn = none_for_you
    for connection in list(_alive):
        if connection._on_close_cb == client._on_connection_closed:
            connection.close()


async def connections_closed() -> None:
    """Wait until the connections of this event loop that were closed are gone."""
    loop = asyncio.get_running_loop()
    if mine := {gone for gone in _closing if gone.get_loop() is loop}:
        await asyncio.wait(mine, timeout=_GONE_SECONDS)


_FORCED_TRIES = 10
_FORCED_SECONDS = 0.2
_COORDINATORS_TASKS = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
_GIVEN_UP = KafkaError("the log's client was closed before Kafka answered")


async def end_producer(producer: Any, patience: float) -> None:
    """Deliver what is buffered for at most `patience` seconds, then drop the rest; its appenders learn of it."""
    client, sender = producer.client, producer._sender
    tasks = [client._sync_task, sender.sender_task]
    if not await _stopped(producer.stop, patience):
        if sender.sender_task:
            # It would fail once more, on a transaction that there never was.
            sender.sender_task.remove_done_callback(sender._fail_all)
        accumulator = producer._message_accumulator
        for batches in accumulator._batches.values():
            accumulator._pending_batches.update(batches)  # where one that was tried before looks for itself
        accumulator.fail_all(_GIVEN_UP)
    await _force(client, tasks)


async def end_consumer(consumer: Any, patience: float) -> None:
    """Leave the group for at most `patience` seconds, then hang up; the brokers notice by the session's end."""
    before = _tasks_of(consumer)
    await _stopped(consumer.stop, patience)
    # A rejoin under way may have begun new ones meanwhile.
    await _force(consumer._client, {*before, *_tasks_of(consumer)})


def _tasks_of(consumer: Any) -> set["asyncio.Task[Any] | None"]:
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    tasks = {consumer._client._sync_task, *(getattr(coordinator, name, None) for name in _COORDINATORS_TASKS)}
    return tasks | {fetcher._fetch_task, *fetcher._pending_tasks} if fetcher else tasks


async def end_admin(admin: Any, patience: float) -> None:
    """Close an admin client."""
    tasks = [admin._client._sync_task]
    await _stopped(admin.close, patience)
    await _force(admin._client, tasks)


async def _stopped(stop: Callable[[], Coroutine[Any, Any, None]], patience: float) -> bool:
    # A task of its own, because aiokafka lets the cancellation of its own tasks out of `stop`.
    stopping = asyncio.create_task(stop())
    done, _ = await asyncio.wait({stopping}, timeout=patience)
    if not done:
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=_FORCED_SECONDS)
        return False
    if stopping.cancelled():
        return False
    if error := stopping.exception():  # whatever was wrong with it, it is not needed any more
        _log.debug("a Kafka client ended badly", cause=repr(error))
    return error is None


async def _force(client: Any, tasks: Iterable["asyncio.Task[Any] | None"]) -> None:
    """Cut a client's connections and end its tasks: when it stopped as it should, there is nothing left to do.

    More than one try, because a task that is told to stop in the moment its request times out takes it for the answer.
    """
    abort_connections(client)
    left = {task for task in tasks if task is not None and not task.done()}
    for _ in range(_FORCED_TRIES):
        if not left:
            break
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_FORCED_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at, so that the event loop does not complain of it
    abort_connections(client)


class _GroupCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka is not typed
    """A member's side of its group, which hears what is wrong with it."""

    async def _send_req(self, request: Any) -> Any:
        answer = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            error = for_code(code)
            if error in (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                self.coordinator_dead()
            raise error()
        return answer


def patch_group_errors() -> None:
    """From now on raise these errors in every consumer of this process. Calling it again changes nothing."""
    aiokafka.consumer.consumer.GroupCoordinator = _GroupCoordinator


class DescribeLogDirsResponse_v1(Response):  # type: ignore[misc]  # noqa: N801  # aiokafka is not typed, and names so
    """Sizes of replicas, by folder, topic and partition."""

    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "log_dirs",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("name", String("utf-8")),
                        (
                            "partitions",
                            Array(("partition", Int32), ("size", Int64), ("offset_lag", Int64), ("is_future", Boolean)),
                        ),
                    ),
                ),
            ),
        ),
    )


class DescribeLogDirsRequest_v1(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    """Asks one broker."""

    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = DescribeLogDirsResponse_v1
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


_Struct: TypeAlias = DescribeLogDirsRequest_v1


class DescribeLogDirsRequest(Request[_Struct]):  # type: ignore[misc]  # aiokafka is not typed
    """Asks one broker for the size of its copies of a topic's partitions."""

    API_KEY = 35

    def __init__(self, topic: str, partitions: list[int]) -> None:
        self._topic = topic
        self._partitions = partitions

    def build(self, request_struct_class: type[_Struct]) -> Any:
        """Return the request in the version that was agreed on."""
        return request_struct_class([(self._topic, self._partitions)])


def log_dir_sizes(answer: Any, topic: str) -> dict[int, int]:
    """Return the bytes of each partition's copy at the broker that answered; none that it may not tell."""
    return {
        partition: size
        for _, _, topics in answer.log_dirs
        for name, partitions in topics
        for partition, size, _, is_future in partitions
        if name == topic and not is_future
    }


_EVERY_SECONDS = 60.0
_EVERYDAY = frozenset({"Heartbeat failed for group %s because it is rebalancing"})
"""What aiokafka warns of although it is how members of a group come and go."""


class OnceAMinute(logging.Filter):
    """Lets the same message pass once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record may pass; messages are the same when their templates are."""
        now = time.monotonic()
        if record.msg in _EVERYDAY or now - self._last.get(record.msg, -_EVERY_SECONDS) < _EVERY_SECONDS:
            return False
        self._last[record.msg] = now
        return True


_ONCE_A_MINUTE = OnceAMinute()


def limit_client_logs() -> None:
    """Limit what aiokafka logs to warnings and worse, each once a minute. Calling it again changes nothing."""
    parent = logging.getLogger("aiokafka")
    if parent.level == logging.NOTSET:
        parent.setLevel(logging.WARNING)
    # A filter holds for the very logger it is added to, not for those below it.
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_ONCE_A_MINUTE)
