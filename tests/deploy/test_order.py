"""docker-compose.yml: nobody starts before what it needs, and what it waits for is within its reach."""

import pytest

from .files import OURS, services

MIGRATE = "migrate"
READY = {True: "service_completed_successfully", False: "service_healthy"}
"""When a service may be used, by whether it ends by itself."""


def waits(name: str) -> set[str]:
    """All that is up before a service starts."""
    direct = set(services()[name].get("depends_on", {}))
    return direct.union(*map(waits, direct))


def waiting_for(other: str) -> set[str]:
    return {name for name in services() if other in waits(name)}


def test_whoever_uses_the_log_waits_for_kafka() -> None:
    assert waiting_for("kafka") == {*OURS} - {MIGRATE}


def test_whoever_uses_the_tables_waits_for_them_and_no_one_else() -> None:
    """Webhooks are taken while the warehouse is away."""
    users = {*OURS, "grafana"} - {MIGRATE, "ingest"}
    assert waiting_for(MIGRATE) == users
    assert waiting_for("clickhouse") == {*users, MIGRATE}


def test_a_reconcile_waits_for_the_consumer_that_writes_what_it_finds() -> None:
    assert "consumer" in waits("reconciler")


@pytest.mark.parametrize("name", sorted(services()))
def test_it_waits_until_the_other_can_be_used_and_reached(name: str) -> None:
    for other, how in services()[name].get("depends_on", {}).items():
        assert how["condition"] == READY[other == MIGRATE]
        assert set(services()[name]["networks"]) & set(services()[other]["networks"])
