"""Which broker the tests run on: the first that is there."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docker import docker_answers
from tests.java.jars import KAFKA
from tests.kafka.broker.java import JavaBroker
from tests.kafka.broker.single import single_broker

ADDRESS_VARIABLE = "ROLLCALL_TEST_KAFKA"
REQUIRE_VARIABLE = "ROLLCALL_REQUIRE_KAFKA"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A broker to test on: where it is, whether it is real, and its process if it is ours."""

    address: str
    real: bool = True
    broker: JavaBroker | None = None


def real_is_required() -> bool:
    return os.environ.get(REQUIRE_VARIABLE) == "real"


def what() -> str:
    """For the header of the test run."""
    if address := os.environ.get(ADDRESS_VARIABLE):
        return f"the broker at {address}, given by {ADDRESS_VARIABLE}"
    if docker_answers():
        return "a broker in Docker, by testcontainers"
    if KAFKA.can_run:
        return f"Apache Kafka {KAFKA.version} from Maven, on this machine's Java"
    return "librdkafka's mock cluster: NO REAL BROKER"


@contextmanager
def broker(folder: Path) -> Iterator[Chosen]:
    """Start the first broker that is there, if it is not running yet, and stop it at the end."""
    with ExitStack() as stack:
        yield _choose(folder, stack)


def _choose(folder: Path, stack: ExitStack) -> Chosen:
    if address := os.environ.get(ADDRESS_VARIABLE):
        return Chosen(address)
    if docker_answers():
        from testcontainers.community.kafka import KafkaContainer

        container = stack.enter_context(KafkaContainer().with_kraft())
        return Chosen(container.get_bootstrap_server())
    if KAFKA.can_run:
        started = single_broker(folder)
        stack.callback(started.stop)
        started.start()
        return Chosen(started.address, True, started)
    assert not real_is_required(), (
        f"{REQUIRE_VARIABLE}=real, but there is no real broker: name one with {ADDRESS_VARIABLE}, start Docker, or "
        "install a JDK 17 and Maven"
    )
    return _mock(stack.callback)


def _mock(at_end: Callable[..., object]) -> Chosen:
    """librdkafka's mock cluster lives in a producer that asks for it."""
    from confluent_kafka import Producer

    host = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    brokers = host.list_topics(timeout=10).brokers.values()
    at_end(host.flush)
    return Chosen(",".join(f"{b.host}:{b.port}" for b in brokers), False)
