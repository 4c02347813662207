"""The Kafka event log, put together."""

from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient

from rollcall.errors import LogUnavailableError
from rollcall.eventlog.interface import Entry, Record, Remark, Topic, TopicState
from rollcall.eventlog.kafka._aiokafka import connections_closed, end_admin, patch
from rollcall.eventlog.kafka.brokers import Connection, connection_of, probe, within
from rollcall.eventlog.kafka.consumer import KafkaReader, scan_topic
from rollcall.eventlog.kafka.monitor import Monitor
from rollcall.eventlog.kafka.producer import Producer
from rollcall.eventlog.kafka.topic_admin import make_topics
from rollcall.eventlog.kafka.topic_check import CheckedTopics, check_topics
from rollcall.settings.servers import KafkaSettings

_END_SECONDS = 2.0


class KafkaLog:
    """An `rollcall.eventlog.EventLog` at Kafka's brokers. Belongs to the event loop it was opened on.

    How it keeps what the interface promises:

    * An append has succeeded once all in-sync copies of every record have it. One that fails may have put some of its
      records there: partitions are written one by one. Sending them again is harmless, as the interface says.
    * Records of one key are on one partition, in the order of appending; those without a key go anywhere.
    * Retention is the brokers'. They remove by age whether or not a group has read a record, so the age is also the
      longest outage of the consumers that loses nothing.
    """

    def __init__(self, connection: Connection, insync: Mapping[str, int], remarks: Sequence[Remark] = ()) -> None:
        """Take a connection, the in-sync copies that each topic needs, and what was found about the topics."""
        self.remarks = remarks
        self._connection = connection
        self._insync = insync
        self._producer = Producer(connection, insync)
        self._monitor = Monitor(connection)
        self._readers: set[KafkaReader] = set()
        self._closed = False

    async def start(self) -> None:
        """Connect the producer. Raises LogUnavailableError."""
        await self._producer.start()

    async def append(self, topic: str, records: Sequence[Record]) -> None:
        """See `rollcall.eventlog.EventLog.append`."""
        self._require(topic)
        if records:
            await self._producer.append(topic, records)

    async def reader(self, topic: str, group: str) -> KafkaReader:
        """See `rollcall.eventlog.EventLog.reader`."""
        self._require(topic)
        self._refuse_when_closed()
        reader = KafkaReader(self._connection, topic, group, self._readers.discard)
        self._readers.add(reader)
        try:
            await reader.join()
        except BaseException:
            await reader.close()
            raise
        return reader

    async def scan(self, topic: str, begin: Mapping[int, int] | None = None) -> AsyncIterator[Entry]:
        """See `rollcall.eventlog.EventLog.scan`."""
        self._require(topic)
        self._refuse_when_closed()
        async for entry in scan_topic(self._connection, topic, begin or {}):
            yield entry

    async def state(self, topic: str) -> TopicState:
        """See `rollcall.eventlog.EventLog.state`."""
        self._require(topic)
        self._refuse_when_closed()
        return await self._monitor.state(topic)

    async def retain(self) -> int:
        """See `rollcall.eventlog.EventLog.retain`: the brokers do it."""
        self._refuse_when_closed()
        return 0

    async def check(self) -> None:
        """See `rollcall.eventlog.EventLog.check`. Writes nothing: queries leaders and copies in sync."""
        self._refuse_when_closed()
        for topic, insync in self._insync.items():
            await self._monitor.require_takes_records(topic, insync)

    async def close(self) -> None:
        """See `rollcall.eventlog.EventLog.close`."""
        self._closed = True
        for reader in list(self._readers):
            await reader.close()
        await self._producer.close()
        await self._monitor.close()
        await connections_closed()

    def _require(self, topic: str) -> None:
        if topic not in self._insync:
            raise ValueError(f"the log was opened without the topic {topic!r}")

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise LogUnavailableError("the event log is closed")


async def open_kafka_log(
    brokers: list[str], topics: Sequence[Topic], settings: KafkaSettings, command: str = "rollcall"
) -> KafkaLog:
    """Open the log at Kafka's brokers, creating its topics if the settings say so.

    Args:
        brokers: Brokers to contact first, as ``host:port``.
        topics: The topics to use.
        settings: How to connect, and what the topics are to be.
        command: What this process runs; it and the host are the client.id.

    Raises:
        SettingsError: The brokers refuse what the settings say, or topics are missing or unfit.
        LogUnavailableError: No broker answers now.
    """
    patch()
    connection = connection_of(brokers, settings, command)
    try:
        checked = await _prepared(connection, topics)
    except BaseException:
        await connections_closed()
        raise
    log = KafkaLog(connection, checked.insync, checked.remarks)
    try:
        await log.start()
    except BaseException:
        await log.close()
        raise
    return log


async def _prepared(connection: Connection, topics: Sequence[Topic]) -> CheckedTopics:
    """See that brokers take us, and that topics are there and will do."""
    settings = connection.settings
    await probe(connection)
    admin = AIOKafkaAdminClient(**connection.arguments())
    try:
        async with within(3 * settings.request_timeout, "preparing the topics"):
            await admin.start()
            there = await make_topics(admin, topics, settings)
            checked = await check_topics(admin, there, settings)
    finally:
        await end_admin(admin, _END_SECONDS)
    made = {topic.name: settings.min_insync_replicas for topic in topics}
    return CheckedTopics({**made, **checked.insync}, checked.remarks)
