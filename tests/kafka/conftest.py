"""The broker, and what runs on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.java.jars import KAFKA
from tests.kafka.broker.choosing import Chosen, broker, real_is_required
from tests.kafka.broker.cluster import Cluster
from tests.kafka.broker.java import JavaBroker
from tests.kafka.broker.single import single_broker
from tests.kafka.installation import OnKafka, installed
from tests.kafka.place import KafkaPlace
from tests.kafka.report import Report
from tests.warehouse.servers import StandIn, stand_in

_NO_JAVA = "needs brokers that it may kill: a JDK 17, and Maven to fetch Kafka's jars"


@pytest.fixture
def anyio_backend() -> Any:
    """As `rollcall` runs."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    return Report(record_property)


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chosen]:
    """The broker for tests that do not harm it."""
    with broker(tmp_path_factory.mktemp("kafka") / "one") as chosen:
        yield chosen


@pytest.fixture
def real(kafka: Chosen) -> None:
    """Skip what librdkafka's mock cannot show: groups of several, and topics' settings."""
    if not kafka.real:
        pytest.skip("needs a real broker: the mock hardly knows groups with several members, nor topics' settings")


@pytest.fixture(scope="package")
def own_broker(kafka: Chosen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaBroker]:
    """The Java broker that tests may harm."""
    if kafka.broker:
        yield kafka.broker
        return
    require_java()
    own = single_broker(tmp_path_factory.mktemp("kafka") / "killable")
    try:
        own.start()
        yield own
    finally:
        own.stop()


@pytest.fixture
def killable(own_broker: JavaBroker) -> JavaBroker:
    """A broker to be killed and restarted; it works when a test begins and when it ends."""
    own_broker.wait_until_it_works()
    return own_broker


@pytest.fixture
def place(kafka: Chosen) -> KafkaPlace:
    if kafka.broker:
        kafka.broker.wait_until_it_works()
    return KafkaPlace(kafka.address)


@pytest.fixture(scope="package")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse that has its tables, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    OnKafka(folder, address="127.0.0.1:9").run("migrate")
    return folder


@pytest.fixture
def on_kafka(killable: JavaBroker, migrated: Path, tmp_path: Path) -> Iterator[OnKafka]:
    """A Rollcall on a single broker, not started."""
    with installed(tmp_path, migrated, address=killable.address) as made:
        yield made
    killable.revive()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    """A ClickHouse server to be killed and stopped at will: the stand-in, on machines with Docker too."""
    with stand_in(tmp_path / "server") as made:
        yield made


@pytest.fixture
def on_server(killable: JavaBroker, server: StandIn, tmp_path: Path) -> Iterator[OnKafka]:
    """A Rollcall on a single broker and a ClickHouse server, not started; any number of consumers can share it."""
    twelve = {"partitions": 12}
    made = OnKafka(tmp_path, address=killable.address, warehouse_url=server.url, kafka=twelve, batch_records=50)
    made.run("migrate")
    try:
        yield made
    finally:
        made.end()
    killable.revive()


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers."""
    require_java()
    three = Cluster(tmp_path_factory.mktemp("kafka") / "three")
    try:
        three.start()
        yield three
    finally:
        three.stop()


def require_java() -> None:
    """Skip what needs Java where there is none, or fail where a real broker is demanded."""
    if not KAFKA.can_run:
        if real_is_required():
            pytest.fail(_NO_JAVA)
        pytest.skip(_NO_JAVA)
