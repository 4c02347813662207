"""A topic as it is at the brokers, whoever made it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, for_code

from rollcall.eventlog.interface import Topic


@dataclass(slots=True)
class Existing:
    """What the brokers tell of a topic.

    Attributes:
        topic: As the settings want it.
        partitions: How many it has; 0 when not told.
        copies: Copies of the partition that has the fewest; 0 when not told.
        config: Its own settings by name, those that are told.
        untold: Why none are told; empty when they are.
    """

    topic: Topic
    partitions: int = 0
    copies: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    untold: str = ""

    def number(self, name: str) -> int | None:
        """Return a setting that is a whole number; None when not told."""
        value = self.config.get(name)
        return None if value is None else int(value)


async def look_at(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[Existing]:
    """Return what the brokers tell of topics that exist. Raises KafkaError when they cannot say now."""
    found = {topic.name: Existing(topic) for topic in topics}
    if not found:
        return []
    for told in await admin.describe_topics(list(found)):
        if copies := [len(partition["replicas"]) for partition in told["partitions"]]:
            found[told["topic"]].partitions = len(copies)
            found[told["topic"]].copies = min(copies)
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in found])
    except IncompatibleBrokerVersion:
        for one in found.values():
            one.untold = "these brokers do not tell how topics are set"
        return list(found.values())
    for answer in answers:
        for code, text, _, name, entries, *_ in answer.resources:
            if code:  # mostly that this user may not ask
                found[name].untold = text or for_code(code).__name__
            else:
                found[name].config = _told(entries)
    return list(found.values())


def _told(entries: Sequence[Any]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries if entry[1] is not None}
