"""Where a topic is less than the settings say, but can be lived with."""

from collections.abc import Iterator

from rollcall.eventlog.interface import Remark
from rollcall.eventlog.kafka.topics.existing import Existing
from rollcall.eventlog.kafka.topics.wanted import alter
from rollcall.settings.kafka import KafkaSettings

_LOOKED_AT = (
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "retention.ms",
    "retention.bytes",
)
_DAY_MS = 86_400_000


def remarks_on(found: Existing, settings: KafkaSettings) -> Iterator[Remark]:
    """Yield what somebody should look at, and what could not be looked at."""
    name = found.topic.name
    if found.untold:
        yield Remark(name, f"its settings cannot be read: {found.untold}")
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


def _age(found: Existing) -> Iterator[Remark]:
    topic, kept = found.topic, found.number("retention.ms")
    setting = "retention.activity_days" if topic.consumed else "retention.deadletter_days"
    if kept is not None and 0 <= kept < topic.kept_for_ms:
        yield Remark(
            topic.name,
            f"has retention.ms={kept}, and {setting} says {topic.kept_for_ms / _DAY_MS:g} ({topic.kept_for_ms} ms): "
            "what is older goes, read or not",
            f"{alter(topic.name, f'retention.ms={topic.kept_for_ms}')} Or set {setting} to {kept / _DAY_MS:.12g}.",
        )


def _room(found: Existing) -> Iterator[Remark]:
    """A bound of size, which may be the brokers' default, takes what no consumer has read yet."""
    topic, room = found.topic, found.number("retention.bytes")
    if topic.consumed and room is not None and room >= 0:
        yield Remark(
            topic.name,
            f"has retention.bytes={room}: the oldest records of a partition beyond that size go, read or not",
            alter(topic.name, "retention.bytes=-1"),
        )
