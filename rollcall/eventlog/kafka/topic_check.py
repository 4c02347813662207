"""Whether topics that exist will do: refused where records would be lost, remarked on where they are less than set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from rollcall.errors import SettingsError
from rollcall.eventlog.interface import Remark, Topic
from rollcall.eventlog.kafka.topic_admin import TopicDescription, alter_command, describe
from rollcall.logs import logger
from rollcall.records import largest_body
from rollcall.settings.servers import KafkaSettings

_log = logger(__name__)


def refuse_unfit(found: TopicDescription, settings: KafkaSettings) -> None:
    """Look at the settings of a topic, those that the brokers show.

    Raises:
        SettingsError: It will not do; the text names the topic, both values and the remedies.
    """
    _compaction(found)
    _size(found, settings)
    _copies_in_sync(found, settings)
    _unclean_leaders(found, settings)


def _compaction(found: TopicDescription) -> None:
    policy = found.config.get("cleanup.policy", "")
    if "compact" in policy:
        name = found.topic.name
        raise SettingsError(
            f"the topic {name} has cleanup.policy={policy}, which drops records that have the same key. "
            f"{alter_command(name, 'cleanup.policy=delete')}"
        )


def _size(found: TopicDescription, settings: KafkaSettings) -> None:
    name, largest, needed = found.topic.name, found.number("max.message.bytes"), settings.message_bytes
    if largest is not None and largest < needed:
        raise SettingsError(
            f"the topic {name} takes records of {largest} bytes at most, and kafka.message_bytes says {needed}. "
            f"{alter_command(name, f'max.message.bytes={needed}')} Or set kafka.message_bytes to {largest}, and "
            f"ingest.body_limit to {largest_body(largest)} or less."
        )


def _copies_in_sync(found: TopicDescription, settings: KafkaSettings) -> None:
    name, insync, needed = found.topic.name, found.number("min.insync.replicas"), settings.min_insync_replicas
    if insync is not None and insync < needed:
        few = f" It has copies for {found.copies} only: add some first, with kafka-reassign-partitions.sh."
        raise SettingsError(
            f"the topic {name} has min.insync.replicas={insync}, and kafka.min_insync_replicas says {needed}: so many "
            "copies must have a record before a webhook is answered 204. "
            f"{alter_command(name, f'min.insync.replicas={needed}')}{few if 0 < found.copies < needed else ''} "
            f"Or set kafka.min_insync_replicas to {insync}."
        )


def _unclean_leaders(found: TopicDescription, settings: KafkaSettings) -> None:
    name, unclean = found.topic.name, found.config.get("unclean.leader.election.enable")
    if unclean == "true" and settings.replication_factor > 1:
        raise SettingsError(
            f"the topic {name} has unclean.leader.election.enable=true, and kafka.replication_factor says "
            f"{settings.replication_factor}: a copy that lacks records could become the one that counts, and what was "
            f"answered 204 be lost; it must be false. {alter_command(name, 'unclean.leader.election.enable=false')} "
            "Or, where a single copy is meant, set kafka.replication_factor and kafka.min_insync_replicas to 1."
        )


_LOOKED_AT = (
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "retention.ms",
    "retention.bytes",
)
_DAY_MS = 86_400_000


def remarks_on(found: TopicDescription, settings: KafkaSettings) -> Iterator[Remark]:
    """Yield what somebody should look at, and what could not be looked at."""
    name = found.topic.name
    if found.unreadable:
        yield Remark(name, f"its settings cannot be read: {found.unreadable}")
    elif unseen := [setting for setting in _LOOKED_AT if setting not in found.config]:
        yield Remark(name, f"the brokers do not tell {', '.join(unseen)}")
    yield from _age(found)
    yield from _room(found)
    if 0 < found.partitions < settings.partitions:
        yield Remark(
            name,
            f"has {found.partitions} partitions, so that at most {found.partitions} consumers share it, and "
            f"kafka.partitions says {settings.partitions}",
            "Have an administrator run: kafka-topics.sh --bootstrap-server HOST:PORT --alter --topic "
            f"{name} --partitions {settings.partitions}. Or set kafka.partitions to {found.partitions}.",
        )
    if 0 < found.copies < settings.replication_factor:
        yield Remark(
            name,
            f"has partitions of which there are {found.copies} copies, and kafka.replication_factor says "
            f"{settings.replication_factor}",
            "Have an administrator add copies with kafka-reassign-partitions.sh. Or set kafka.replication_factor to "
            f"{found.copies}.",
        )


def _age(found: TopicDescription) -> Iterator[Remark]:
    topic, set_ms = found.topic, found.number("retention.ms")
    setting = "retention.activity_days" if topic.consumed else "retention.deadletter_days"
    if set_ms is not None and 0 <= set_ms < topic.kept_for_ms:
        yield Remark(
            topic.name,
            f"has retention.ms={set_ms}, and {setting} says {topic.kept_for_ms / _DAY_MS:g} ({topic.kept_for_ms} ms): "
            "what is older goes, read or not",
            f"{alter_command(topic.name, f'retention.ms={topic.kept_for_ms}')} "
            f"Or set {setting} to {set_ms / _DAY_MS:.12g}.",
        )


def _room(found: TopicDescription) -> Iterator[Remark]:
    """A bound of size, which may be the brokers' default, takes what no consumer has read yet."""
    topic, room = found.topic, found.number("retention.bytes")
    if topic.consumed and room is not None and room >= 0:
        yield Remark(
            topic.name,
            f"has retention.bytes={room}: the oldest records of a partition beyond that size go, read or not",
            alter_command(topic.name, "retention.bytes=-1"),
        )


@dataclass(frozen=True, slots=True)
class CheckedTopics:
    """How many in-sync copies each topic wants before it takes a record, and what somebody should look at."""

    insync: Mapping[str, int]
    remarks: Sequence[Remark]


async def check_topics(admin: AIOKafkaAdminClient, topics: Sequence[Topic], settings: KafkaSettings) -> CheckedTopics:
    """Compare topics that exist with the settings, as far as the brokers show them, and log where they differ.

    Raises:
        SettingsError: Records would be lost or refused; the text names the remedy.
        KafkaError: The brokers cannot say now.
    """
    existing = await describe(admin, topics)
    for found in existing:
        refuse_unfit(found, settings)
    remarks = [remark for found in existing for remark in remarks_on(found, settings)]
    for remark in remarks:
        if remark.remedy:
            _log.warning(
                "topic is less than the settings say", topic=remark.topic, found=remark.found, do=remark.remedy
            )
        else:
            _log.warning("topic cannot be checked", topic=remark.topic, cause=remark.found)
    insync = {found.topic.name: found.number("min.insync.replicas") for found in existing}
    return CheckedTopics({name: copies or settings.min_insync_replicas for name, copies in insync.items()}, remarks)
