"""What a topic's own settings at the brokers should be, and whether those of an existing one will do."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, for_code

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import Topic
from rollcall.logs import logger
from rollcall.settings.kafka import KafkaSettings

_log = logger(__name__)


def wanted_config(topic: Topic, settings: KafkaSettings) -> dict[str, str]:
    """Return the settings of a topic that is created.

    Kafka removes by age and size whether or not a group has read a record. So the size bounds only topics that
    nobody has to consume; for the others age alone decides, and an outage of the consumers may last that long.
    """
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.kept_for_ms),
        "max.message.bytes": str(settings.message_bytes),
        "min.insync.replicas": str(settings.min_insync_replicas),
        "unclean.leader.election.enable": "false",
        # Ages by the brokers' clock: one sender with a wrong clock must not make records vanish at once.
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.kept_bytes and not topic.consumed:
        config["retention.bytes"] = str(max(1, topic.kept_bytes // settings.partitions))
    if settings.replication_factor == 1:
        # With copies on other machines a crash of one loses nothing; a single one has to reach the disk first.
        config["flush.messages"] = "1"
    return config


async def check_config(admin: AIOKafkaAdminClient, topics: Sequence[Topic], settings: KafkaSettings) -> dict[str, int]:
    """Look at the settings of topics that exist.

    Returns:
        How many in-sync copies a topic wants before it takes a record, as far as the brokers tell.

    Raises:
        SettingsError: Records would be lost or refused; the text names the remedy.
        KafkaError: The brokers cannot say now.
    """
    if not topics:
        return {}
    insync: dict[str, int] = {}
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, one.name) for one in topics])
    except IncompatibleBrokerVersion:
        _log.warning("topics cannot be checked: these brokers do not tell how they are set")
        return insync
    for answer in answers:
        for code, text, _, name, *entries in answer.resources:
            if code:
                # Mostly that this user may not; what the topic cannot take will show when it is sent.
                _log.warning("topic cannot be checked", topic=name, cause=text or for_code(code).__name__)
                continue
            found = {entry[0]: entry[1] for entry in entries[0]}
            _require(name, found, settings)
            insync[name] = int(found.get("min.insync.replicas") or settings.min_insync_replicas)
    return insync


def _require(name: str, found: Mapping[str, Any], settings: KafkaSettings) -> None:
    if "compact" in str(found.get("cleanup.policy", "")):
        raise SettingsError(
            f"the topic {name} has cleanup.policy={found['cleanup.policy']}, which drops records that have the same "
            f"key. {_alter(name, 'cleanup.policy=delete')}"
        )
    largest = int(found.get("max.message.bytes") or settings.message_bytes)
    if largest < settings.message_bytes:
        raise SettingsError(
            f"the topic {name} takes records of {largest} bytes at most, and kafka.message_bytes says "
            f"{settings.message_bytes}. {_alter(name, f'max.message.bytes={settings.message_bytes}')} Or lower "
            "kafka.message_bytes, and ingest.body_limit to 3/4 of that."
        )


def _alter(name: str, setting: str) -> str:
    return (
        "Have an administrator run: kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
        f"--entity-name {name} --add-config {setting}."
    )
