"""Users and certificates, against listeners that ask for them; and refusals that name the setting and the remedy."""

from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import LogUnavailableError, RollcallError, SettingsError
from rollcall.eventlog import Record
from rollcall.settings import KafkaSettings
from tests.eventlog.contract import scanned
from tests.kafka.broker.guards import PASSWORD, USER
from tests.kafka.broker.java import JavaBroker
from tests.kafka.place import KafkaPlace, small

pytestmark = pytest.mark.anyio


async def use(killable: JavaBroker, settings: KafkaSettings) -> None:
    """Append, read and measure."""
    port = killable.listeners[settings.security_protocol.upper()]
    place = KafkaPlace(f"127.0.0.1:{port}", settings)
    log = await place.open()
    try:
        await log.append(place.consumed.name, [Record(b"x")])
        assert await scanned(log, place.consumed.name) == ["x"]
        reader = await log.reader(place.consumed.name, "group")
        await reader.commit(await reader.read(1, 10))
        assert (await log.state(place.consumed.name)).lag == {"group": 0}
    finally:
        await log.close()


def tls(killable: JavaBroker, **more: Any) -> dict[str, Any]:
    assert killable.certificates
    return {"ca_file": killable.certificates.authority, **more}


def client(killable: JavaBroker) -> dict[str, Any]:
    assert killable.certificates
    return {"client_cert_file": killable.certificates.client, "client_key_file": killable.certificates.client_key}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_user_and_a_password(killable: JavaBroker, mechanism: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    user = {"username": USER, "password_file": tmp_path / "password", "sasl_mechanism": mechanism}
    await use(killable, small(security_protocol="sasl_plaintext", **user))


async def test_a_user_over_tls(killable: JavaBroker) -> None:
    await use(killable, small(security_protocol="sasl_ssl", username=USER, password=PASSWORD, **tls(killable)))


async def test_tls_with_a_client_certificate(killable: JavaBroker) -> None:
    await use(killable, small(security_protocol="ssl", **tls(killable), **client(killable)))


async def refusal(killable: JavaBroker, settings: KafkaSettings, listener: str) -> RollcallError:
    with pytest.raises(RollcallError) as refused:
        await KafkaPlace(f"127.0.0.1:{killable.listeners[listener]}", settings).open()
    assert PASSWORD not in str(refused.value)
    return refused.value


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password(killable: JavaBroker, mechanism: str) -> None:
    user = {"username": USER, "password": "wrong-" + PASSWORD[:3], "sasl_mechanism": mechanism}
    error = await refusal(killable, small(security_protocol="sasl_plaintext", **user), "SASL_PLAINTEXT")
    assert isinstance(error, SettingsError)
    assert "kafka.password_file" in str(error)


async def test_an_authority_that_is_not_known(killable: JavaBroker) -> None:
    error = await refusal(killable, small(security_protocol="sasl_ssl", username=USER, password=PASSWORD), "SASL_SSL")
    assert isinstance(error, SettingsError)
    assert "kafka.ca_file" in str(error)


async def test_the_wrong_protocol_for_the_port(killable: JavaBroker) -> None:
    error = await refusal(killable, small(), "SASL_PLAINTEXT")
    assert isinstance(error, LogUnavailableError)
    assert "port" in str(error)


async def test_tls_to_a_port_without_it(killable: JavaBroker) -> None:
    settings = small(security_protocol="sasl_ssl", username=USER, password=PASSWORD, **tls(killable))
    error = await refusal(killable, settings, "SASL_PLAINTEXT")
    assert "security_protocol" in str(error)


async def test_a_certificate_file_that_is_none(killable: JavaBroker, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    error = await refusal(killable, small(security_protocol="ssl", ca_file=tmp_path / "ca.pem"), "SSL")
    assert isinstance(error, SettingsError)
    assert "kafka.ca_file" in str(error)
