"""How a broker keeps records on its disk, read by Kafka's own tool."""

import re
from dataclasses import dataclass

from tests.kafka.broker.java import JavaBroker

_BATCH = re.compile(r"^baseOffset: .*", re.MULTILINE)
_FIELD = re.compile(r"(\w+): (\S+)")


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that a producer sent at once, to one partition."""

    records: int
    producer: int
    """The number of an idempotent producer; -1 of another."""
    sequence: int
    codec: str


def batches_of(broker: JavaBroker, topic: str) -> list[Batch]:
    """Return the batches of a topic; those of one partition in their order."""
    files = ",".join(str(file) for file in broker.segments(topic))
    printed = broker.tool("kafka.tools.DumpLogSegments", "--files", files)
    return [_batch(dict(_FIELD.findall(line))) for line in _BATCH.findall(printed)]


def _batch(fields: dict[str, str]) -> Batch:
    return Batch(
        records=int(fields["count"]),
        producer=int(fields["producerId"]),
        sequence=int(fields["baseSequence"]),
        codec=fields["compresscodec"].lower(),
    )
