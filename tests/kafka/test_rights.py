"""A user who may not do all: brokers with an authorizer, which refuse to make topics or to tell how they are set."""

import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from rollcall.errors import SettingsError
from rollcall.eventlog import Record, Topic
from tests.kafka.administrator import CLUSTER, allowed, make, rights
from tests.kafka.broker.guards import PASSWORD, USER
from tests.kafka.broker.java import JavaBroker
from tests.kafka.place import LONG_MS, KafkaPlace, small

pytestmark = pytest.mark.anyio

TOPIC, GROUP, BROKER = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.BROKER
SEE, DESCRIBE_CONFIGS = AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS
READ, WRITE, CREATE = AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE


@pytest.fixture
def admin(killable: JavaBroker) -> AdminClient:
    return AdminClient({"bootstrap.servers": killable.address})


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:12]}."


@pytest.fixture
def place(killable: JavaBroker, prefix: str) -> KafkaPlace:
    """The topics, for a user with a name."""
    user = {"security_protocol": "sasl_plaintext", "username": USER, "password": PASSWORD}
    topics = Topic(f"{prefix}facts", LONG_MS), Topic(f"{prefix}letters", LONG_MS, consumed=False)
    return KafkaPlace(f"127.0.0.1:{killable.listeners['SASL_PLAINTEXT']}", small(**user), *topics)


async def test_the_rights_that_the_docs_name_are_enough(place: KafkaPlace, prefix: str, admin: AdminClient) -> None:
    topic = place.consumed.name
    with rights(
        admin,
        *allowed(TOPIC, prefix, USER, CREATE, SEE, DESCRIBE_CONFIGS, READ, WRITE),
        *allowed(GROUP, prefix, USER, SEE, READ),
        *allowed(BROKER, CLUSTER, USER, SEE),
    ):
        await (await place.open()).close()
        log = await place.open()
        try:
            assert log.remarks == []
            await log.append(topic, [Record(b"x")])
            reader = await log.reader(topic, "group")
            await reader.commit(await reader.read(1, 10))
            state = await log.state(topic)
            assert (state.lag, state.records) == ({"group": 0}, 1)
            assert state.bytes > 0
            await log.check()
        finally:
            await log.close()


async def test_topics_that_only_an_administrator_may_make(place: KafkaPlace, prefix: str, admin: AdminClient) -> None:
    with (
        rights(admin, *allowed(TOPIC, prefix, USER, SEE, DESCRIBE_CONFIGS), *allowed(BROKER, CLUSTER, USER, SEE)),
        pytest.raises(SettingsError) as refused,
    ):
        await (await place.open()).close()
    told = str(refused.value)
    assert "the brokers refuse to create" in told
    for topic in (place.consumed, place.letters):
        assert f"kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic.name} --partitions 3" in told
        assert f"--config retention.ms={topic.kept_for_ms}" in told
    assert "kafka.create_topics = false" in told


async def test_topics_whose_settings_are_not_told(place: KafkaPlace, prefix: str, admin: AdminClient) -> None:
    for topic in (place.consumed, place.letters):
        make(admin, topic.name, {"min.insync.replicas": "1"}, 3)
    with rights(admin, *allowed(TOPIC, prefix, USER, SEE, READ, WRITE)):
        log = await place.open()
        try:
            assert [(one.topic, one.remedy) for one in log.remarks] == [
                (place.consumed.name, ""),
                (place.letters.name, ""),
            ]
            assert all("cannot be read: " in one.found for one in log.remarks)
            await log.append(place.consumed.name, [Record(b"x")])
        finally:
            await log.close()
