"""One test's topics at a broker."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from rollcall.eventlog import EventLog, Record, Topic
from rollcall.eventlog.kafka import KafkaLog, open_kafka_log
from rollcall.settings import KafkaSettings

COUNT = 30
"""Records that `filled` appends: enough to reach every partition."""

LONG_MS = 7 * 24 * 3600 * 1000


def small(**changes: Any) -> KafkaSettings:
    """Settings for a single broker, with little patience."""
    values: dict[str, Any] = {
        "partitions": 3,
        "replication_factor": 1,
        "min_insync_replicas": 1,
        "request_timeout": 5,
        "append_timeout": 8,
        "session_timeout": 6,  # brokers allow no less
    }
    return KafkaSettings.model_validate({**values, **changes})


def fresh(name: str, *, consumed: bool = True) -> Topic:
    """A topic that no other test has."""
    return Topic(f"test-{uuid.uuid4().hex[:12]}.{name}", kept_for_ms=LONG_MS, consumed=consumed)


@dataclass
class KafkaPlace:
    """Whichever way it is opened, the same topics."""

    address: str
    settings: KafkaSettings = field(default_factory=small)
    consumed: Topic = field(default_factory=lambda: fresh("facts"))
    letters: Topic = field(default_factory=lambda: fresh("letters", consumed=False))

    async def open(self) -> KafkaLog:
        return await open_kafka_log(self.address.split(","), [self.consumed, self.letters], self.settings)


async def filled(log: EventLog, topic: str) -> set[str]:
    """Append records with keys of their own, and return what is in them."""
    keys = [f"{n:03}" for n in range(COUNT)]
    await log.append(topic, [Record(key.encode(), key.encode()) for key in keys])
    return set(keys)
