"""Two brokers of three are away: nothing is acknowledged that only one disk has, whoever leads the partition."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from confluent_kafka.admin import AdminClient

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import Record
from rollcall.eventlog.kafka import KafkaLog
from tests.eventlog.contract import scanned
from tests.kafka.broker.cluster import Cluster
from tests.kafka.place import KafkaPlace, small
from tests.kafka.test_outage import until_it_works

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

PARTITIONS = 6
KEYS = [str(number).encode() for number in range(40)]
"""Enough to reach every partition."""


@pytest.fixture
def place(cluster: Cluster) -> KafkaPlace:
    """Topics with a copy at each broker, of which two must have a record."""
    copies = {"partitions": PARTITIONS, "replication_factor": 3, "min_insync_replicas": 2}
    return KafkaPlace(cluster.address, small(request_timeout=2, append_timeout=3, **copies))


@pytest.fixture
async def log(cluster: Cluster, place: KafkaPlace) -> AsyncIterator[KafkaLog]:
    opened = await place.open()
    await asyncio.to_thread(cluster.wait_until_whole, place.consumed.name)
    yield opened
    await opened.close()


def led_by(cluster: Cluster, topic: str, node: int) -> int:
    """How many partitions of a topic a broker leads."""
    admin = AdminClient({"bootstrap.servers": cluster.address, "log_level": 0})
    partitions = admin.list_topics(topic, timeout=30).topics[topic].partitions.values()
    assert len(partitions) == PARTITIONS
    return sum(partition.leader == node for partition in partitions)


async def test_one_copy_is_not_enough(cluster: Cluster, place: KafkaPlace, log: KafkaLog) -> None:
    topic = place.consumed.name
    await log.append(topic, [Record(b"before", key) for key in KEYS])
    others = cluster.brokers[1:]
    assert led_by(cluster, topic, node=1) > 0
    for other in others:
        other.hang()
    try:
        outcomes = await asyncio.gather(
            *(log.append(topic, [Record(b"meanwhile", key)]) for key in KEYS), return_exceptions=True
        )
        assert all(isinstance(outcome, LogUnavailableError) for outcome in outcomes)
    finally:
        for other in others:
            other.go_on()
    await until_it_works(lambda: log.append(topic, [Record(b"after", key) for key in KEYS]))
    await until_it_works(log.check)
    found = await scanned(log, topic)
    assert found.count("before") == len(KEYS)
    assert found.count("after") >= len(KEYS)
