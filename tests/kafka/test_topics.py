"""Topics are made as the settings say, or refused in words that say what to do."""

import asyncio
import platform

import pytest
from confluent_kafka.admin import AdminClient

from rollcall.errors import SettingsError
from rollcall.eventlog import Record, Topic
from rollcall.eventlog.kafka import open_kafka_log
from rollcall.runtime import topics_of
from rollcall.settings import RetentionSettings, Settings
from tests.eventlog.contract import scanned
from tests.kafka.administrator import config_of, make
from tests.kafka.broker.choosing import Chosen
from tests.kafka.place import KafkaPlace, small

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]


@pytest.fixture
def admin(kafka: Chosen) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.address})


async def refusal(place: KafkaPlace) -> str:
    with pytest.raises(SettingsError) as refused:
        await (await place.open()).close()
    return str(refused.value)


async def test_a_topic_is_made_with_partitions_copies_and_retention(place: KafkaPlace, admin: AdminClient) -> None:
    await (await place.open()).close()
    await (await place.open()).close()
    assert len(admin.list_topics(place.consumed.name).topics[place.consumed.name].partitions) == 3
    config = config_of(admin, place.consumed.name)
    assert config["retention.ms"] == str(place.consumed.kept_for_ms)
    assert config["retention.bytes"] == "-1"  # by size Kafka would remove what nobody has consumed yet
    assert config["cleanup.policy"] == "delete"
    assert config["min.insync.replicas"] == "1"
    assert config["max.message.bytes"] == str(place.settings.message_bytes)
    assert config["flush.messages"] == "1"  # a single copy has to be on the disk before it is acknowledged


async def test_the_days_of_the_settings_reach_the_topics(place: KafkaPlace, admin: AdminClient) -> None:
    retention = RetentionSettings(activity_days=2.5, deadletter_days=40)
    topics = topics_of(Settings(topic_prefix=place.consumed.name.partition(".")[0], retention=retention))
    log = await open_kafka_log([place.address], topics.all(), place.settings)
    await log.close()
    kept = {topic.name: int(config_of(admin, topic.name)["retention.ms"]) / 86_400_000 for topic in topics.all()}
    assert kept == {topics.activity.name: 2.5, topics.directory.name: 2.5, topics.deadletter.name: 40}


async def test_brokers_know_a_process_by_its_command_and_host(place: KafkaPlace, admin: AdminClient) -> None:
    log = await open_kafka_log([place.address], [place.consumed], place.settings, "rollcall consume")
    try:
        await log.reader(place.consumed.name, "group")
        group = f"{place.consumed.name}.group"
        told = await asyncio.to_thread(lambda: admin.describe_consumer_groups([group])[group].result(30))
        assert [member.client_id for member in told.members] == [f"rollcall-consume-{platform.node()}"]
    finally:
        await log.close()


async def test_a_missing_topic_that_may_not_be_made(place: KafkaPlace, admin: AdminClient) -> None:
    place.settings = small(create_topics=False)
    told = await refusal(place)
    assert "kafka.create_topics" in told
    assert f"kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {place.consumed.name}" in told
    make(admin, place.consumed.name, {"max.message.bytes": str(place.settings.message_bytes)})
    assert place.consumed.name not in await refusal(place)
    make(admin, place.letters.name, {"max.message.bytes": str(place.settings.message_bytes)})
    await (await place.open()).close()


async def test_more_copies_than_brokers(place: KafkaPlace, admin: AdminClient) -> None:
    place.settings = small(replication_factor=3, min_insync_replicas=2)
    assert "kafka.replication_factor" in await refusal(place)


@pytest.mark.parametrize(
    ("config", "text"), [({"cleanup.policy": "compact"}, "cleanup.policy=delete"), ({}, "max.message.bytes=50331648")]
)
async def test_an_existing_topic_that_will_not_do(
    place: KafkaPlace, admin: AdminClient, config: dict[str, str], text: str
) -> None:
    make(admin, place.letters.name, config)
    told = await refusal(place)
    assert place.letters.name in told
    assert f"--add-config {text}" in told


async def test_dead_letters_age_out(place: KafkaPlace, kafka: Chosen) -> None:
    if not kafka.broker:
        pytest.skip("needs a broker of ours, which looks every half second; others look every five minutes")
    place.letters = Topic(place.letters.name, kept_for_ms=2000, consumed=False)
    log = await place.open()
    try:
        await log.append(place.letters.name, [Record(b"old")])
        await log.append(place.consumed.name, [Record(b"kept")])
        assert await scanned(log, place.letters.name) == ["old"]
        async with asyncio.timeout(60):
            while await scanned(log, place.letters.name):
                await asyncio.sleep(0.2)
        assert (await log.state(place.letters.name)).records == 0
        assert await scanned(log, place.consumed.name) == ["kept"]
    finally:
        await log.close()
