"""Three brokers on this machine, each a controller too, so that any one of them may go."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.kafka.broker.java import JavaBroker
from tests.kafka.broker.properties import combined
from tests.ports import free_ports

_NODES = 3
_PATIENCE = 90.0


class Cluster:
    """Three brokers; every topic has a copy on each."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2 * _NODES)
        pairs = list(zip(ports[:_NODES], ports[_NODES:], strict=True))
        self.brokers = [
            JavaBroker(folder / str(node), pairs[node - 1][0], combined(node, pairs)) for node in range(1, _NODES + 1)
        ]

    @property
    def address(self) -> str:
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        first, *others = self.brokers
        first.format()
        for node, other in enumerate(others, 2):
            other.format_like(first, node)
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait()

    def wait_until_whole(self, prefix: str) -> None:
        """Wait until every copy of the topics that begin so is in sync, so that another broker may go."""
        self._wait_until(prefix, lambda partition: len(partition.isrs) == _NODES)

    def wait_until_led(self, prefix: str) -> None:
        """Wait until every partition of the topics that begin so has a leader."""
        self._wait_until(prefix, lambda partition: partition.leader >= 0)

    def _wait_until(self, prefix: str, fine: Callable[[Any], bool]) -> None:
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + _PATIENCE
        while True:
            topics = admin.list_topics(timeout=30).topics.values()
            partitions = [
                part for topic in topics if str(topic.topic).startswith(prefix) for part in topic.partitions.values()
            ]
            if partitions and all(fine(partition) for partition in partitions):
                return
            assert time.monotonic() < deadline, "the cluster never became whole again"
            time.sleep(0.2)

    def revive(self) -> None:
        for broker in self.brokers:
            broker.revive()

    def stop(self) -> None:
        for broker in self.brokers:
            broker.stop()
