"""Makes the topics that are missing, or says how an administrator does."""

from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
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
from rollcall.eventlog.kafka.topics.wanted import wanted_config
from rollcall.settings.kafka import KafkaSettings

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
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            topic_configs=wanted_config(topic, settings),
        )
        for topic in missing
    ]
    answer = await admin.create_topics(wanted)
    for name, code, *told in answer.topic_errors:
        _judge(name, for_code(code), str(told[0] if told else ""), missing, settings)
    return there


def _judge(name: str, error: type[KafkaError], told: str, missing: Sequence[Topic], settings: KafkaSettings) -> None:
    if error.errno == 0 or issubclass(error, TopicAlreadyExistsError):  # another process was faster
        return
    if issubclass(error, InvalidReplicationFactorError):
        raise SettingsError(
            f"kafka.replication_factor: the brokers cannot keep {settings.replication_factor} copies of {name} "
            f"({told}). Start more brokers, or, with a single one, set replication_factor and min_insync_replicas to 1."
        )
    if issubclass(error, _FORBIDDEN):
        raise SettingsError(
            f"the brokers refuse to create {name} ({told or error.__name__}). {_remedy(missing, settings)} "
            "Then set kafka.create_topics = false."
        )
    raise error(f"creating the topic {name}: {told}")


async def _missing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[Topic]:
    found: dict[str, dict[str, Any]] = {
        told["topic"]: told for told in await admin.describe_topics([topic.name for topic in topics])
    }
    missing = []
    for topic in topics:
        told = found.get(topic.name)
        error = for_code(told["error_code"]) if told else UnknownTopicOrPartitionError
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
        + " ".join(f"--config {name}={value}" for name, value in wanted_config(topic, settings).items())
        for topic in missing
    ]
    return "Have an administrator create it:\n\n" + "\n".join(lines) + "\n\n"
