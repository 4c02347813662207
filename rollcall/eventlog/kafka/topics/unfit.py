"""What a topic must not be: records would be lost or refused."""

from rollcall.errors import SettingsError
from rollcall.eventlog.kafka.topics.existing import Existing
from rollcall.eventlog.kafka.topics.wanted import alter
from rollcall.settings.kafka import KafkaSettings
from rollcall.settings.letters import largest_body


def refuse_unfit(found: Existing, settings: KafkaSettings) -> None:
    """Look at the settings of a topic, those that are told.

    Raises:
        SettingsError: It will not do; the text names the topic, both values and the remedies.
    """
    _compaction(found)
    _size(found, settings)
    _copies_in_sync(found, settings)
    _unclean_leaders(found, settings)


def _compaction(found: Existing) -> None:
    policy = found.config.get("cleanup.policy", "")
    if "compact" in policy:
        name = found.topic.name
        raise SettingsError(
            f"the topic {name} has cleanup.policy={policy}, which drops records that have the same key. "
            f"{alter(name, 'cleanup.policy=delete')}"
        )


def _size(found: Existing, settings: KafkaSettings) -> None:
    name, largest, wanted = found.topic.name, found.number("max.message.bytes"), settings.message_bytes
    if largest is not None and largest < wanted:
        raise SettingsError(
            f"the topic {name} takes records of {largest} bytes at most, and kafka.message_bytes says {wanted}. "
            f"{alter(name, f'max.message.bytes={wanted}')} Or set kafka.message_bytes to {largest}, and "
            f"ingest.body_limit to {largest_body(largest)} or less."
        )


def _copies_in_sync(found: Existing, settings: KafkaSettings) -> None:
    name, insync, wanted = found.topic.name, found.number("min.insync.replicas"), settings.min_insync_replicas
    if insync is not None and insync < wanted:
        few = f" It has copies for {found.copies} only: add some first, with kafka-reassign-partitions.sh."
        raise SettingsError(
            f"the topic {name} has min.insync.replicas={insync}, and kafka.min_insync_replicas says {wanted}: so many "
            "copies must have a record before a webhook is answered 204. "
            f"{alter(name, f'min.insync.replicas={wanted}')}{few if 0 < found.copies < wanted else ''} "
            f"Or set kafka.min_insync_replicas to {insync}."
        )


def _unclean_leaders(found: Existing, settings: KafkaSettings) -> None:
    name, unclean = found.topic.name, found.config.get("unclean.leader.election.enable")
    if unclean == "true" and settings.replication_factor > 1:
        raise SettingsError(
            f"the topic {name} has unclean.leader.election.enable=true, and kafka.replication_factor says "
            f"{settings.replication_factor}: a copy that lacks records could become the one that counts, and what was "
            f"answered 204 be lost; it must be false. {alter(name, 'unclean.leader.election.enable=false')} "
            "Or, where a single copy is meant, set kafka.replication_factor and kafka.min_insync_replicas to 1."
        )
