"""The monitor: what the topics hold, how far each group is, and whether they can take records."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Position, TopicState
from rollcall.eventlog.kafka._aiokafka import end_admin, end_consumer, log_dir_sizes, partitions_of
from rollcall.eventlog.kafka.brokers import Connection, within
from rollcall.eventlog.kafka.consumer import group_id

_END_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Clients:
    """One for groups and copies, one for offsets."""

    admin: AIOKafkaAdminClient
    offsets: AIOKafkaConsumer


class Monitor:
    """Queries the brokers, over connections that stay open until one fails."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timeout = connection.settings.request_timeout
        self._clients: _Clients | None = None
        self._one_at_a_time = asyncio.Lock()
        self._groups: dict[str, set[str]] = {}

    async def state(self, topic: str) -> TopicState:
        """Return how a topic stands.

        Records are counted by offsets; bytes are those of one copy on the brokers' disks, compressed as they are, and
        0 where this user may not see them.

        Raises:
            LogUnavailableError: The brokers do not say.
        """
        state: TopicState = await self._run(f"measuring {topic}", self._state, topic)
        return state

    async def require_takes_records(self, topic: str, min_insync: int) -> None:
        """Raise LogUnavailableError unless every partition has a leader and enough copies in sync."""
        await self._run(f"checking {topic}", self._require_takes_records, topic, min_insync)

    async def close(self) -> None:
        """Hang up."""
        clients, self._clients = self._clients, None
        if clients:
            await asyncio.gather(end_admin(clients.admin, _END_SECONDS), end_consumer(clients.offsets, _END_SECONDS))

    async def _run(self, doing: str, query: Any, *arguments: Any) -> Any:
        async with within(2 * self._timeout, doing), self._one_at_a_time:
            try:
                self._clients = self._clients or await self._connected()
                return await query(self._clients, *arguments)
            except BaseException as error:
                # Whatever state they are in, new ones are in a good one.
                if not isinstance(error, LogUnavailableError):
                    await asyncio.shield(self.close())
                raise

    async def _connected(self) -> _Clients:
        clients = _Clients(
            AIOKafkaAdminClient(**self._connection.arguments()),
            AIOKafkaConsumer(enable_auto_commit=False, **self._connection.arguments()),
        )
        try:
            await clients.admin.start()
            await clients.offsets.start()
        except BaseException:
            self._clients = clients  # for `close`
            raise
        return clients

    async def _state(self, clients: _Clients, topic: str) -> TopicState:
        partitions = await partitions_of(clients.offsets, topic)
        tps = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        first = await clients.offsets.beginning_offsets(tps)
        last = await clients.offsets.end_offsets(tps)
        brokers = [broker["node_id"] for broker in (await clients.admin.describe_cluster())["brokers"]]
        lag: dict[str, int] = {}
        positions: dict[str, list[Position]] = {}
        for group in sorted(await self._groups_of(clients, topic, brokers)):
            done = await clients.admin.list_consumer_group_offsets(group_id(topic, group), partitions=tps)
            if not done.keys() >= set(tps):  # a group that committed nothing is listed as such
                raise LogUnavailableError(f"Kafka does not say how far {group} is with {topic}")
            lag[group] = sum(last[tp] - max(first[tp], done[tp].offset) for tp in tps)
            positions[group] = [Position(tp.partition, max(0, done[tp].offset), done[tp].metadata or "") for tp in tps]
        size = await _bytes(clients, topic, [tp.partition for tp in tps], brokers)
        return TopicState(sum(last[tp] - first[tp] for tp in tps), size, lag, positions, sum(last[tp] for tp in tps))

    async def _groups_of(self, clients: _Clients, topic: str, brokers: list[int]) -> set[str]:
        """Return the groups of a topic, by their names; those of a broker that just died are remembered."""
        groups = self._groups.setdefault(topic, set())
        for broker in brokers:
            with suppress(KafkaError):
                for name, _ in await clients.admin.list_consumer_groups([broker]):
                    if name.startswith(group_id(topic, "")):
                        groups.add(name.removeprefix(group_id(topic, "")))
        return groups

    async def _require_takes_records(self, clients: _Clients, topic: str, min_insync: int) -> None:
        for description in await clients.admin.describe_topics([topic]):
            if description["error_code"]:
                raise LogUnavailableError(
                    f"Kafka refuses the topic {topic}: {for_code(description['error_code']).__name__}"
                )
            for partition in description["partitions"]:
                if partition["leader"] < 0 or len(partition["isr"]) < min_insync:
                    raise LogUnavailableError(
                        f"Kafka cannot take records of {topic}: partition {partition['partition']} has "
                        f"{len(partition['isr'])} copies in sync, of {min_insync} that it needs"
                        + (", and no leader" if partition["leader"] < 0 else "")
                    )


async def _bytes(clients: _Clients, topic: str, partitions: list[int], brokers: list[int]) -> int:
    largest: dict[int, int] = {}
    for broker in brokers:
        with suppress(KafkaError):
            sizes = await log_dir_sizes(clients.admin, broker, topic, partitions)
            for partition, size in sizes.items():
                largest[partition] = max(size, largest.get(partition, 0))
    return sum(largest.values())
