"""Kafka's user changed as docs/security.md says, at a broker that asks for one, while webhooks come: none is lost."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from tests.endtoend.test_rotation import Jira
from tests.kafka.broker.java import JavaBroker
from tests.kafka.installation import OnKafka, installed

MECHANISM = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)


class Users:
    """Users of a broker, who prove their password by SCRAM."""

    def __init__(self, broker: JavaBroker) -> None:
        self._admin = AdminClient({"bootstrap.servers": broker.address})

    def add(self, name: str, password: str) -> None:
        self._alter(UserScramCredentialUpsertion(name, MECHANISM, password.encode()))

    def remove(self, name: str) -> None:
        self._alter(UserScramCredentialDeletion(name, MECHANISM.mechanism))

    def _alter(self, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        for done in self._admin.alter_user_scram_credentials([change]).values():
            done.result()
        time.sleep(1)  # the broker applies it a moment later


@pytest.fixture
def users(killable: JavaBroker) -> Users:
    return Users(killable)


@pytest.fixture
def name() -> str:
    return f"user-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def rollcall(killable: JavaBroker, migrated: Path, tmp_path: Path, name: str) -> Iterator[OnKafka]:
    password = tmp_path / "password"
    password.write_text("the first password")
    kafka = {
        "security_protocol": '"sasl_plaintext"',
        "sasl_mechanism": '"SCRAM-SHA-512"',
        "username": f'"{name}"',
        "password_file": f'"{password}"',
    }
    address = f"127.0.0.1:{killable.listeners['SASL_PLAINTEXT']}"
    with installed(tmp_path, migrated, address=address, kafka=kafka) as made:
        yield made
    killable.revive()


def restart(rollcall: OnKafka) -> None:
    """One process after the other."""
    assert rollcall.stop() == 0, rollcall.output
    rollcall.start("ingest")
    rollcall.stop_consumer()
    rollcall.start_consumer()


@pytest.mark.timeout(300)
def test_no_webhook_is_lost_while_the_user_changes(rollcall: OnKafka, users: Users, name: str, tmp_path: Path) -> None:
    second = f"{name}-second"
    users.add(name, "the first password")
    rollcall.begin()
    jira = Jira(rollcall.webhook_url)
    with jira.posting():
        time.sleep(1)
        users.add(second, "the second password")
        (tmp_path / "password").write_text("the second password")
        rollcall.config.write_text(rollcall.config.read_text().replace(f'"{name}"', f'"{second}"'))
        restart(rollcall)
        users.remove(name)
        time.sleep(1)
    assert jira.refused == []
    assert len(jira.keys) > 10
    rollcall.wait_until_written()
    rollcall.end()
    rows = rollcall.run("query", "SELECT event_key FROM activity FINAL FORMAT JSONCompact").stdout
    assert sorted(row[0] for row in json.loads(rows)["data"]) == sorted(jira.keys)


@pytest.mark.timeout(300)
def test_a_password_that_is_no_longer_good_costs_no_webhook(
    rollcall: OnKafka, users: Users, name: str, tmp_path: Path
) -> None:
    users.add(name, "the first password")
    rollcall.begin()
    jira = Jira(rollcall.webhook_url)
    with jira.posting():
        asyncio.run(rollcall.consumer_at_work())  # one that has yet to begin would refuse to
        users.add(name, "the second password")  # takes the first one's place, as after a leak
        time.sleep(1)
        (tmp_path / "password").write_text("the second password")
        restart(rollcall)
        time.sleep(1)
    assert jira.refused == []
    rollcall.wait_until_written()
    rollcall.end()
    rows = rollcall.run("query", "SELECT event_key FROM activity FINAL FORMAT JSONCompact").stdout
    assert sorted(row[0] for row in json.loads(rows)["data"]) == sorted(jira.keys)
