"""All that this log needs of aiokafka beyond its documented interface: private names, patches, a request it lacks.

pyproject.toml names the release that these were read against, docs/decisions/0008-aiokafka.md says what they cost, and
`PRIVATE` at the end lists them: tests/kafka/test_private_names.py says which of them an upgrade has taken away. In this
order:

* Connections are aborted when they are closed. aiokafka closes politely and often without waiting for it. Polite takes
  the broker: to read what was sent, and with TLS to say goodbye. A broker that hangs does neither, and uvloop at times
  forgets the TCP connection under a TLS one that both sides close at once, then waits for it for ever when the event
  loop ends. Nothing is gained by it either, since whatever matters was answered before. So connections are cut, and
  whoever ends waits until they are gone.
* Clients end within a bound, whatever the brokers do. Their own `stop` waits for the brokers: to take what is buffered,
  to answer requests, to close the connection. A broker that hangs does none of that.
* Errors of a group that aiokafka takes for answers are raised. From its version 2 on, Kafka's OffsetFetch puts what is
  wrong with the group, such as a coordinator that has just moved, above an empty list of partitions. aiokafka 0.14
  reads only the list: the group seems to have committed nothing, and whoever joins it would begin at the oldest
  record, and write that down.
* What clients know and do not show: whether a group has dropped a consumer, whether a client's own tasks have ended,
  which partitions have a leader.
* DescribeLogDirs, a request of Kafka's that aiokafka lacks, returns how much of the brokers' disks a topic takes.
* What aiokafka logs is limited: it warns at every try to reach a broker that is away, several times a second.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakSet

import aiokafka.conn
import aiokafka.consumer.consumer
import aiokafka.consumer.group_coordinator
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason, collect_hosts, create_conn
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator, NoGroupCoordinator
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Int64, Schema, String
from aiokafka.structs import OffsetAndMetadata

from rollcall.logs import EachOncePerMinute, logger

_log = logger(__name__)


def patch() -> None:
    """Apply all patches to this process. Calling it again changes nothing."""
    aiokafka.conn.AIOKafkaConnection = _AbortedConnection
    aiokafka.consumer.consumer.GroupCoordinator = _GroupCoordinator
    _limit_client_logs()


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


def _abort_connections(client: Any) -> None:
    """Cut all connections of a client, those it is only making too, and let it make no more."""

    async def no_connection(*_: object, **__: object) -> None:
        """Return what the client returns for a broker that cannot be reached."""

    client._get_conn = no_connection
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
_COORDINATOR_TASKS = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
"""Those of a group's coordinator, and the last that of a consumer without a group, as the monitor's and a scan's."""

_GIVEN_UP = KafkaError("the log's client was closed before Kafka answered")


async def end_producer(producer: Any, seconds: float) -> None:
    """Deliver what is buffered for at most that many seconds, then drop the rest; its appenders learn of it."""
    client, sender = producer.client, producer._sender
    tasks = [client._sync_task, sender.sender_task]
    if not await _stopped(producer.stop, seconds):
        if sender.sender_task:
            # It would fail once more, on a transaction that there never was.
            sender.sender_task.remove_done_callback(sender._fail_all)
        accumulator = producer._message_accumulator
        for batches in accumulator._batches.values():
            accumulator._pending_batches.update(batches)  # where one that was tried before looks for itself
        accumulator.fail_all(_GIVEN_UP)
    await _force(client, tasks)


async def end_consumer(consumer: Any, seconds: float) -> None:
    """Leave the group for at most that many seconds, then hang up; the brokers notice by the session's end."""
    before = _tasks_of(consumer)
    await _stopped(consumer.stop, seconds)
    # A rejoin under way may have begun new ones meanwhile.
    await _force(consumer._client, {*before, *_tasks_of(consumer)})


def _tasks_of(consumer: Any) -> set["asyncio.Task[Any] | None"]:
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    tasks = {consumer._client._sync_task, *(getattr(coordinator, name, None) for name in _COORDINATOR_TASKS)}
    return tasks | {fetcher._fetch_task, *fetcher._pending_tasks} if fetcher else tasks


async def end_admin(admin: Any, seconds: float) -> None:
    """Close an admin client."""
    tasks = [admin._client._sync_task]
    await _stopped(admin.close, seconds)
    await _force(admin._client, tasks)


async def _stopped(stop: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> bool:
    # A task of its own, because aiokafka lets the cancellation of its own tasks out of `stop`.
    stopping = asyncio.create_task(stop())
    done, _ = await asyncio.wait({stopping}, timeout=seconds)
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

    More than one try, because a task that is cancelled in the moment its request times out takes it for the answer.
    """
    _abort_connections(client)
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
    _abort_connections(client)


class _GroupCoordinator(GroupCoordinator):  # type: ignore[misc]  # aiokafka is not typed
    """A member's side of its group, which raises the errors that stand above an empty answer."""

    async def _send_req(self, request: Any) -> Any:
        answer = await super()._send_req(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(answer, "error_code", 0)):
            error = for_code(code)
            if error in (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):
                self.coordinator_dead()
            raise error()
        return answer


_NO_LEADER = -1


def hosts_of(brokers: Sequence[str]) -> list[tuple[str, int]]:
    """Return host and port of brokers given as ``host:port``, in random order."""
    return [(host, port) for host, port, _ in collect_hosts(list(brokers))]


async def contact(host: str, port: int, arguments: Mapping[str, Any]) -> None:
    """Connect to one broker, send it a request and hang up. Raises KafkaError or OSError, unlike a client's start.

    Args:
        host: The broker's host.
        port: Its port.
        arguments: How to connect: client's id, timeout, protocol and credentials.
    """
    connection = await create_conn(host, port, **arguments)
    try:
        # A client without credentials where a broker wants some is refused only now.
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


async def subscribe_metadata(producer: Any, topics: Sequence[str]) -> None:
    """Have a producer that has started learn the leaders of these topics, before the first record. KafkaError."""
    await producer.client.set_topics(topics)


def lost_metadata(producer: Any) -> bool:
    """Return whether the task has ended that keeps a producer informed of the brokers: it mends nothing any more."""
    return bool(producer.client._sync_task.done())


async def partitions_of(consumer: Any, topic: str) -> set[int]:
    """Return the numbers of a topic's partitions. Raises KafkaError."""
    partitions: set[int] = await consumer._client._wait_on_metadata(topic)
    return partitions


def has_leader(consumer: Any, tp: TopicPartition) -> bool:
    """Return whether a partition has a leader, as far as the consumer knows."""
    return bool(consumer._client.cluster.leader_for_partition(tp) != _NO_LEADER)


async def committed_offsets(consumer: Any, tps: Sequence[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what the consumer's group has committed, in one request; no entry where it has not. Raises KafkaError."""
    found: dict[TopicPartition, OffsetAndMetadata] = await consumer._coordinator.fetch_committed_offsets(tps)
    return found


def is_forgotten(consumer: Any) -> bool:
    """Return whether the group has dropped this consumer: it would then commit without a generation, unchecked."""
    return bool(consumer._coordinator.generation <= 0)


def has_died(consumer: Any) -> bool:
    """Return whether a task has ended that a consumer in a group cannot do without."""
    return any(task.done() for task in (consumer._coordinator._coordination_task, consumer._fetcher._fetch_task))


class _DescribeLogDirsResponse_v1(Response):  # type: ignore[misc]  # noqa: N801  # aiokafka is not typed, and names so
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


class _DescribeLogDirsRequest_v1(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    """The request in the version that is sent."""

    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = _DescribeLogDirsResponse_v1
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


_Struct: TypeAlias = _DescribeLogDirsRequest_v1


class _DescribeLogDirsRequest(Request[_Struct]):  # type: ignore[misc]  # aiokafka is not typed
    """A request to one broker for the size of its copies of a topic's partitions."""

    API_KEY = 35

    def __init__(self, topic: str, partitions: list[int]) -> None:
        self._topic = topic
        self._partitions = partitions

    def build(self, request_struct_class: type[_Struct]) -> Any:
        """Return the request in the version that was agreed on."""
        return request_struct_class([(self._topic, self._partitions)])


async def log_dir_sizes(admin: Any, broker: int, topic: str, partitions: list[int]) -> dict[int, int]:
    """Return the bytes of each partition's copy at a broker; none that this user may not see. Raises KafkaError."""
    answer = await admin._send_request(_DescribeLogDirsRequest(topic, partitions), broker)
    return {
        partition: size
        for _, _, topics in answer.log_dirs
        for name, sizes in topics
        for partition, size, _, is_future in sizes
        if name == topic and not is_future
    }


_REBALANCING = "Heartbeat failed for group %s because it is rebalancing"
"""What aiokafka warns of although it is how members of a group come and go."""


class _Limit(EachOncePerMinute):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != _REBALANCING and super().filter(record)


_LIMIT = _Limit()


def _limit_client_logs() -> None:
    """Limit what aiokafka logs to warnings and worse, each once a minute."""
    parent = logging.getLogger("aiokafka")
    if parent.level == logging.NOTSET:
        parent.setLevel(logging.WARNING)
    # A filter holds for the very logger it is added to, not for those below it.
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_LIMIT)


class PrivateName(NamedTuple):
    """A name of aiokafka's that it may change in any release.

    Attributes:
        owner: The class that has it as attribute or method, or the module or function whose source names it.
        name: The name, or the text in the owner's source.
        purpose: What it is used for here.
    """

    owner: type | ModuleType | FunctionType
    name: str
    purpose: str


_ENDING = "tasks and buffers to end when `stop` does not"
_CUTTING = "connections are cut instead of closed politely"

PRIVATE = (
    PrivateName(create_conn, "AIOKafkaConnection(", _CUTTING),
    PrivateName(AIOKafkaConnection, "_create_reader_task", _CUTTING),
    PrivateName(AIOKafkaConnection, "_writer", _CUTTING),
    PrivateName(AIOKafkaConnection, "_on_close_cb", _CUTTING),
    PrivateName(AIOKafkaConnection, "close", _CUTTING),
    PrivateName(AIOKafkaConnection, "send", "uvloop's RuntimeError after a reset, and the first contact with a broker"),
    PrivateName(AIOKafkaClient, "_get_conn", _CUTTING),
    PrivateName(AIOKafkaClient, "_on_connection_closed", _CUTTING),
    PrivateName(AIOKafkaClient, "_sync_task", "whether a client still learns of the brokers, and " + _ENDING),
    PrivateName(AIOKafkaClient, "_wait_on_metadata", "the partitions of a topic, without a subscription"),
    PrivateName(AIOKafkaClient, "cluster", "which partitions have a leader"),
    PrivateName(AIOKafkaClient, "set_topics", "leaders known before the first record"),
    PrivateName(AIOKafkaConsumer, "_client", "to reach the client's names"),
    PrivateName(AIOKafkaConsumer, "_coordinator", "to reach the coordinator's names"),
    PrivateName(AIOKafkaConsumer, "_fetcher", "to reach the fetcher's names"),
    PrivateName(AIOKafkaConsumer.start, "GroupCoordinator(", "errors of a group are raised"),
    PrivateName(GroupCoordinator, "_send_req", "errors of a group are raised"),
    PrivateName(GroupCoordinator, "coordinator_dead", "errors of a group are raised"),
    PrivateName(GroupCoordinator, "fetch_committed_offsets", "positions of all partitions in one request"),
    PrivateName(GroupCoordinator, "generation", "whether the group has dropped a consumer"),
    PrivateName(GroupCoordinator, "_coordination_task", "whether a consumer has died, and " + _ENDING),
    PrivateName(GroupCoordinator, "_heartbeat_task", _ENDING),
    PrivateName(GroupCoordinator, "_commit_refresh_task", _ENDING),
    PrivateName(NoGroupCoordinator, "_reset_committed_task", _ENDING),
    PrivateName(Fetcher, "_fetch_task", "whether a consumer has died, and " + _ENDING),
    PrivateName(Fetcher, "_pending_tasks", _ENDING),
    PrivateName(AIOKafkaProducer, "client", "to reach the client's names"),
    PrivateName(AIOKafkaProducer, "_sender", "to reach the sender's names"),
    PrivateName(AIOKafkaProducer, "_message_accumulator", "to reach the accumulator's names"),
    PrivateName(Sender, "sender_task", _ENDING),
    PrivateName(Sender, "_fail_all", _ENDING),
    PrivateName(MessageAccumulator, "_batches", _ENDING),
    PrivateName(MessageAccumulator, "_pending_batches", _ENDING),
    PrivateName(MessageAccumulator, "fail_all", _ENDING),
    PrivateName(AIOKafkaAdminClient, "_client", "to reach the client's names"),
    PrivateName(AIOKafkaAdminClient, "_send_request", "a request that aiokafka lacks"),
    PrivateName(aiokafka.consumer.group_coordinator, _REBALANCING, "a warning of everyday events, left out of the log"),
)
"""Every such name but those that are imported above: of these, the import fails and names what has gone."""
