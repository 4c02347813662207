"""The topics at the brokers: made as the settings say, or described as they are, whoever made them.

Where this user may not make them, the text says how an administrator does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import Topic
from rollcall.settings.servers import KafkaSettings


def topic_config(topic: Topic, settings: KafkaSettings) -> dict[str, str]:
    """Return the settings of a topic that is created.

    Kafka removes by age and size whether or not a group has read a record. So the size bounds only topics that
    nobody has to consume; for the others age alone decides, and an outage of the consumers may last that long.
    """
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.kept_for_ms),
        "retention.bytes": "-1",
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


def alter_command(name: str, setting: str) -> str:
    """Return how an administrator changes a setting of a topic."""
    return (
        "Have an administrator run: kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
        f"--entity-name {name} --add-config {setting}."
    )


@dataclass(slots=True)
class TopicDescription:
    """A topic as the brokers describe it.

    Attributes:
        topic: As the settings want it.
        partitions: How many it has; 0 when the brokers do not say.
        copies: Copies of the partition that has the fewest; 0 when the brokers do not say.
        config: Its own settings by name, those that the brokers show.
        unreadable: Why they show none; empty when they do.
    """

    topic: Topic
    partitions: int = 0
    copies: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""

    def number(self, name: str) -> int | None:
        """Return a setting that is a whole number; None when the brokers do not say."""
        value = self.config.get(name)
        return None if value is None else int(value)


async def describe(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[TopicDescription]:
    """Return how the brokers describe topics that exist. Raises KafkaError when they cannot say now."""
    found = {topic.name: TopicDescription(topic) for topic in topics}
    if not found:
        return []
    for description in await admin.describe_topics(list(found)):
        if copies := [len(partition["replicas"]) for partition in description["partitions"]]:
            found[description["topic"]].partitions = len(copies)
            found[description["topic"]].copies = min(copies)
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in found])
    except IncompatibleBrokerVersion:
        for one in found.values():
            one.unreadable = "these brokers do not tell how topics are set"
        return list(found.values())
    for answer in answers:
        for code, text, _, name, entries, *_ in answer.resources:
            if code:  # mostly that this user may not see it
                found[name].unreadable = text or for_code(code).__name__
            else:
                found[name].config = _values(entries)
    return list(found.values())


def _values(entries: Sequence[Any]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries if entry[1] is not None}


_FORBIDDEN = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError, PolicyViolationError)


async def make_topics(admin: AIOKafkaAdminClient, topics: Sequence[Topic], settings: KafkaSettings) -> list[Topic]:
    """See that every topic is there.

    Returns:
        Those that were there before, made by whomever.

    Raises:
        SettingsError: One is missing and may not be made, or not like this; the text names the remedy.
        KafkaError: The brokers cannot say now.
    """
    missing = await _missing(admin, topics)
    there = [topic for topic in topics if topic not in missing]
    if not missing:
        return there
    if not settings.create_topics:
        raise SettingsError(f"kafka.create_topics is false, but a topic is missing. {_remedy(missing, settings)}")
    new_topics = [
        NewTopic(
            topic.name,
            num_partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            topic_configs=topic_config(topic, settings),
        )
        for topic in missing
    ]
    answer = await admin.create_topics(new_topics)
    for name, code, *message in answer.topic_errors:
        _raise_refusal(name, for_code(code), str(message[0] if message else ""), missing, settings)
    return there


def _raise_refusal(
    name: str, error: type[KafkaError], message: str, missing: Sequence[Topic], settings: KafkaSettings
) -> None:
    if error.errno == 0 or issubclass(error, TopicAlreadyExistsError):  # another process was faster
        return
    if issubclass(error, InvalidReplicationFactorError):
        raise SettingsError(
            f"kafka.replication_factor: the brokers cannot keep {settings.replication_factor} copies of {name} "
            f"({message}). Start more brokers, or, with a single one, set replication_factor and min_insync_replicas "
            "to 1."
        )
    if issubclass(error, _FORBIDDEN):
        raise SettingsError(
            f"the brokers refuse to create {name} ({message or error.__name__}). {_remedy(missing, settings)} "
            "Then set kafka.create_topics = false."
        )
    raise error(f"creating the topic {name}: {message}")


async def _missing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[Topic]:
    found: dict[str, dict[str, Any]] = {
        description["topic"]: description
        for description in await admin.describe_topics([topic.name for topic in topics])
    }
    missing = []
    for topic in topics:
        description = found.get(topic.name)
        error = for_code(description["error_code"]) if description else UnknownTopicOrPartitionError
        if issubclass(error, UnknownTopicOrPartitionError):
            missing.append(topic)
        elif issubclass(error, TopicAuthorizationFailedError):
            raise SettingsError(
                f"kafka.username: this user may not see the topic {topic.name}; grant it Describe, Read and Write on it"
            )
    return missing


def _remedy(missing: Sequence[Topic], settings: KafkaSettings) -> str:
    lines = [
        f"kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic.name} "
        f"--partitions {settings.partitions} --replication-factor {settings.replication_factor} "
        + " ".join(f"--config {name}={value}" for name, value in topic_config(topic, settings).items())
        for topic in missing
    ]
    return "Have an administrator create it:\n\n" + "\n".join(lines) + "\n\n"
