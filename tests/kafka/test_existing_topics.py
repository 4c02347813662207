"""Topics that somebody else made: refused where records would be lost, else looked at and told of."""

from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from console.checks.finding import Finding
from console.checks.installation import local_findings
from rollcall.errors import SettingsError
from rollcall.eventlog import Remark
from rollcall.eventlog.kafka.topic_admin import topic_config
from rollcall.runtime import topics_of
from rollcall.settings import Settings
from tests.kafka.administrator import make
from tests.kafka.broker.choosing import Chosen
from tests.kafka.place import LONG_MS, KafkaPlace, small

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]


@pytest.fixture
def admin(kafka: Chosen) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.address})


def made(admin: AdminClient, place: KafkaPlace, changed: Mapping[str, str], partitions: int = 3) -> None:
    """Make both topics as Rollcall would, but for what is changed in one."""
    for topic in (place.consumed, place.letters):
        config = topic_config(topic, place.settings)
        make(admin, topic.name, {**config, **changed} if topic is place.consumed else config, partitions)


async def opened(place: KafkaPlace) -> tuple[list[Remark], list[Any]]:
    """What is remarked, and what is logged of it."""
    with capture_logs() as lines:
        log = await place.open()
        await log.close()
    return list(log.remarks), [line for line in lines if line["log_level"] == "warning"]


@pytest.mark.parametrize(
    ("changed", "texts"),
    [
        (
            {"min.insync.replicas": "1"},
            [
                "min.insync.replicas=1, and kafka.min_insync_replicas says 2",
                "--add-config min.insync.replicas=2.",
                "It has copies for 1 only",
                "Or set kafka.min_insync_replicas to 1.",
            ],
        ),
        (
            {"unclean.leader.election.enable": "true"},
            [
                "unclean.leader.election.enable=true, and kafka.replication_factor says 3",
                "--add-config unclean.leader.election.enable=false.",
                "set kafka.replication_factor and kafka.min_insync_replicas to 1.",
            ],
        ),
        (
            {"max.message.bytes": "2000000"},
            ["--add-config max.message.bytes=50331648.", "kafka.message_bytes to 2000000", "body_limit to 1493856"],
        ),
    ],
)
async def test_a_topic_that_keeps_less_than_is_promised(
    place: KafkaPlace, admin: AdminClient, changed: Mapping[str, str], texts: list[str]
) -> None:
    place.settings = small(replication_factor=3, min_insync_replicas=2)
    made(admin, place, changed)
    with pytest.raises(SettingsError) as refused:
        await opened(place)
    assert f"the topic {place.consumed.name} " in str(refused.value)
    assert "kafka-configs.sh --bootstrap-server HOST:PORT --alter" in str(refused.value)
    for text in texts:
        assert text in str(refused.value)


async def test_a_single_copy_has_no_unclean_leader(place: KafkaPlace, admin: AdminClient) -> None:
    made(admin, place, {"unclean.leader.election.enable": "true"})
    assert await opened(place) == ([], [])


async def test_a_topic_that_wants_more_copies_decides_whether_the_log_takes_records(
    place: KafkaPlace, admin: AdminClient
) -> None:
    made(admin, place, {"min.insync.replicas": "3", "retention.ms": "-1", "max.message.bytes": "60000000"}, 5)
    log = await place.open()
    try:
        with pytest.raises(Exception, match="1 copies in sync, of 3 that it needs"):
            await log.check()
        assert log.remarks == []
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("changed", "found", "remedy"),
    [
        (
            {"retention.ms": "60000"},
            f"has retention.ms=60000, and retention.activity_days says 7 ({LONG_MS} ms)",
            f"--add-config retention.ms={LONG_MS}. Or set retention.activity_days to 0.000694444444444.",
        ),
        ({"retention.bytes": "1000000"}, "has retention.bytes=1000000", "--add-config retention.bytes=-1."),
    ],
)
async def test_a_topic_that_forgets_sooner_is_told_of(
    place: KafkaPlace, admin: AdminClient, changed: Mapping[str, str], found: str, remedy: str
) -> None:
    made(admin, place, changed)
    [remark], [line] = await opened(place)
    assert (remark.topic, line["topic"]) == (place.consumed.name, place.consumed.name)
    assert remark.found.startswith(found)
    assert line["found"] == remark.found
    assert remark.remedy.endswith(remedy)


async def test_fewer_partitions_and_copies_are_told_of(place: KafkaPlace, admin: AdminClient) -> None:
    made(admin, place, {}, partitions=2)
    place.settings = small(replication_factor=3)
    remarks, lines = await opened(place)
    told = [(remark.found, remark.remedy) for remark in remarks if remark.topic == place.letters.name]
    assert len(remarks) == len(lines) == 4
    assert "2 partitions" in told[0][0]
    assert f"--alter --topic {place.letters.name} --partitions 3. Or set kafka.partitions to 2." in told[0][1]
    assert "1 copies, and kafka.replication_factor says 3" in told[1][0]
    assert "kafka-reassign-partitions.sh. Or set kafka.replication_factor to 1." in told[1][1]


async def test_check_shows_it_as_something_to_look_at(place: KafkaPlace, admin: AdminClient) -> None:
    settings = Settings(
        log_url=f"kafka://{place.address}",
        warehouse_url="clickhouse://nobody@127.0.0.1:9/none",
        topic_prefix=place.consumed.name.partition(".")[0],
        kafka=place.settings,
    )
    topics = topics_of(settings)
    for topic in topics.all():
        config = topic_config(topic, settings.kafka)
        make(admin, topic.name, config | {"retention.ms": "60000"} if topic is topics.activity else config, 3)
    found: dict[str, Finding] = {finding.subject: finding async for finding in local_findings(settings)}
    assert found["event log"].ok
    [subject] = [subject for subject in found if subject.startswith("topic ")]
    assert subject == f"topic {topics.activity.name}"
    assert not found[subject].ok
    assert "retention.ms=60000" in found[subject].found
    assert "kafka-configs.sh" in found[subject].remedy
