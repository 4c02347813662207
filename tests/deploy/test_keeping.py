"""docker-compose.yml: what must outlive a container or a power cut does, and files are where images look for them."""

from pathlib import PurePosixPath

import pytest

from .files import OURS, ROOT, compose, services, settings_of
from .users import USERS

DATA = {"clickhouse": "/var/lib/clickhouse", "grafana": "/var/lib/grafana"}
"""Where images of others keep their data, as their documentation says. Kafka is told; our Dockerfile tells of ours."""

READ = {USERS: "/etc/clickhouse-server/users.d", ROOT / "deploy/grafana/provisioning": "/etc/grafana"}
"""Folders in which those images look for a file or folder of ours."""


def mounts(name: str) -> dict[str, str]:
    """What is mounted in a service: source by path."""
    return {target: source for source, target, *_ in (one.split(":") for one in services()[name].get("volumes", []))}


def kept(name: str, path: str) -> bool:
    """Whether a path in a service is on a named volume."""
    above = [str(one) for one in (PurePosixPath(path), *PurePosixPath(path).parents)]
    return any(mounts(name).get(one) in compose()["volumes"] for one in above)


@pytest.mark.parametrize(("name", "path"), DATA.items())
def test_the_data_of_other_images(name: str, path: str) -> None:
    assert kept(name, path)


def test_the_log() -> None:
    for folder in services()["kafka"]["environment"]["KAFKA_LOG_DIRS"].split(","):
        assert kept("kafka", folder)


def test_the_checkpoints_of_a_reconcile(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(settings_of("reconciler", monkeypatch).reconcile.state_dir)
    assert kept("reconciler", folder)
    [ours] = [line.split()[1] for line in (ROOT / "deploy/Dockerfile").read_text().splitlines() if "VOLUME" in line]
    assert PurePosixPath(folder).is_relative_to(ours), "elsewhere our user could not write"


def test_every_volume_is_of_one_service() -> None:
    used = [source for name in services() for source in mounts(name).values() if not source.startswith(".")]
    assert sorted(used) == sorted(compose()["volumes"])


def test_files_are_where_the_images_look_for_them() -> None:
    mounted = {ROOT / source: PurePosixPath(target) for name in DATA for target, source in mounts(name).items()}
    for source, folder in READ.items():
        assert str(mounted[source].parent) == folder
        assert mounted[source].suffix == source.suffix


def test_what_the_only_broker_acknowledges_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = services()["kafka"]["environment"]
    brokers = [name for name, service in services().items() if service["image"].startswith("apache/kafka:")]
    assert len(brokers) == 1
    assert environment["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == "1", "no replica would have it after a power cut"
    for name in OURS:
        kafka = settings_of(name, monkeypatch).kafka
        assert kafka.replication_factor == kafka.min_insync_replicas == len(brokers)
    own = {key: value for key, value in environment.items() if key.endswith(("LOG_REPLICATION_FACTOR", "MIN_ISR"))}
    own["offsets"] = environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"]
    assert own
    assert set(own.values()) == {str(len(brokers))}, "topics of Kafka's own"


def test_topics_are_made_by_rollcall_alone() -> None:
    """One that a broker makes by itself has its defaults of retention and partitions."""
    assert services()["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
