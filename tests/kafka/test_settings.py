"""Addresses and settings that cannot be used are refused, in words that name them and keep secrets."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from rollcall.errors import SettingsError
from rollcall.eventlog import Topic, open_log
from rollcall.eventlog.log_url import brokers_of
from rollcall.records import dead_letter_bytes
from rollcall.settings import IngestSettings, KafkaSettings


@pytest.mark.parametrize(
    ("rest", "brokers"),
    [
        ("//one:9093", ["one:9093"]),
        ("//one,two:9094/", ["one:9092", "two:9094"]),
        ("//[::1]:9092,10.0.0.1", ["[::1]:9092", "10.0.0.1:9092"]),
    ],
)
def test_brokers(rest: str, brokers: list[str]) -> None:
    assert brokers_of(rest) == brokers


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    ["kafka:one:9092", "kafka://", "kafka://one:9092,", "kafka://one:0", "kafka://one:99999", "kafka://one/topic",
     "kafka://me:secret@one:9092", "kafka://one:9092?acks=1"],
)  # fmt: skip
async def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsError, match="log_url") as refused:
        await open_log(url, [Topic("facts", 1)])
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"security_protocol": "sasl_ssl"}, "username"),
        ({"security_protocol": "sasl_ssl", "username": "me"}, "password_file"),
        ({"username": "me", "password": "secret"}, "security_protocol"),
        ({"ca_file": "ca.pem"}, "security_protocol"),
        ({"security_protocol": "ssl", "client_cert_file": "client.pem"}, "client_key_file"),
        ({"replication_factor": 1}, "min_insync_replicas"),
        ({"message_bytes": 96 * 1024 * 1024}, "pending_bytes"),
        ({"compresion": "zstd"}, "compresion"),
    ],
)
def test_settings_that_do_not_fit_together(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        KafkaSettings.model_validate(values)


def test_the_defaults_hold_the_dead_letter_of_the_largest_body() -> None:
    assert KafkaSettings().message_bytes >= dead_letter_bytes(IngestSettings().body_limit)


def test_a_password_is_in_no_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    settings = KafkaSettings(security_protocol="sasl_ssl", username="me", password_file=tmp_path / "password")
    assert settings.secret() == "secret"
    assert "secret" not in repr(
        KafkaSettings(security_protocol="sasl_ssl", username="me", password=SecretStr("secret"))
    )
