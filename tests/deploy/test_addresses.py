"""docker-compose.yml: every address that one service is told is the one at which another answers."""

from urllib.parse import urlsplit

import pytest
import yaml

from rollcall.http.guard import split_address
from rollcall.settings import Settings
from rollcall.warehouse.engines import Server, parse_warehouse_url

from .files import OURS, ROOT, filled, services, settings_of
from .users import password_variables


def listens(name: str, settings: Settings) -> tuple[str, int]:
    """Where a service of ours answers."""
    address = {"ingest": settings.listen, "consumer": settings.consumer.listen, "dashboard": settings.page.listen}
    return split_address(address[name])


def listeners(variable: str) -> dict[str, tuple[str, int]]:
    """One of Kafka's lists: host and port by name."""
    urls = [urlsplit(one) for one in services()["kafka"]["environment"][variable].split(",")]
    return {url.scheme.upper(): (url.hostname or "", url.port or 0) for url in urls}


def warehouse() -> Server:
    """Where the consumer writes."""
    address = parse_warehouse_url(filled(services()["consumer"]["environment"]["ROLLCALL_WAREHOUSE_URL"]))
    assert isinstance(address, Server)
    return address


def asked(name: str) -> str:
    """What a health check asks, last of its words."""
    return str(services()[name]["healthcheck"]["test"][-1])


def test_kafka_tells_clients_the_address_that_they_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bound, told = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
    [(listener, (host, port))] = told.items()
    assert host in services()
    assert bound[listener] == ("", port), "at a loopback address other containers would not reach it"
    assert split_address(asked("kafka"))[1] == port
    protocols = dict(
        one.split(":") for one in services()["kafka"]["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    for name in OURS:
        settings = settings_of(name, monkeypatch)
        assert settings.log_url == f"kafka://{host}:{port}"
        assert settings.kafka.security_protocol.upper() == protocols[listener]


def test_kafka_finds_its_own_controller() -> None:
    kafka = services()["kafka"]["environment"]
    bound = listeners("KAFKA_LISTENERS")
    number, _, voter = kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"].partition("@")
    assert number == kafka["KAFKA_NODE_ID"]
    assert split_address(voter)[1] == bound[kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]][1]
    assert set(bound) == {kafka["KAFKA_CONTROLLER_LISTENER_NAMES"], *listeners("KAFKA_ADVERTISED_LISTENERS")}


@pytest.mark.parametrize("name", ["ingest", "consumer", "dashboard"])
def test_our_services_are_asked_where_they_listen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host, port = listens(name, settings_of(name, monkeypatch))
    assert services()[name]["healthcheck"]["test"][:-1] == ["CMD", "healthy"]
    assert asked(name) == f"http://127.0.0.1:{port}/healthz"
    assert host == "0.0.0.0", "whoever else asks comes from outside of the container"
    assert all(published.endswith(f":{port}") for published in services()[name].get("ports", []))


def test_other_services_are_asked_where_they_are_reached() -> None:
    [published] = services()["grafana"]["ports"]
    assert asked("clickhouse") == f"http://127.0.0.1:{warehouse().port}/ping"
    assert asked("grafana") == f"http://127.0.0.1:{published.rpartition(':')[2]}/api/health"


def test_grafana_asks_the_warehouse_that_the_consumer_writes_to() -> None:
    sources = ROOT / "deploy/grafana/provisioning/datasources/clickhouse.yaml"
    [source] = yaml.safe_load(sources.read_text(encoding="utf-8"))["datasources"]
    told, written = source["jsonData"], warehouse()
    assert written.host in services()
    assert (told["host"], told["port"], told["defaultDatabase"]) == (written.host, written.port, written.database)
    assert (told["secure"], told["protocol"]) == (written.secure, "https" if written.secure else "http")
    variable = password_variables()[told["username"]]
    assert source["secureJsonData"]["password"] == f"${variable}"
    assert services()["grafana"]["environment"][variable] == services()["clickhouse"]["environment"][variable]
