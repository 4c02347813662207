"""What a topic's own settings at the brokers should be, and how an administrator writes them."""

from rollcall.eventlog.interface import Topic
from rollcall.settings.kafka import KafkaSettings


def wanted_config(topic: Topic, settings: KafkaSettings) -> dict[str, str]:
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


def alter(name: str, setting: str) -> str:
    """Return how an administrator changes a setting of a topic."""
    return (
        "Have an administrator run: kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics "
        f"--entity-name {name} --add-config {setting}."
    )
