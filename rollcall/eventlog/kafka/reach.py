"""The first contact with the brokers, made by hand because aiokafka's own hides why it failed."""

import ssl

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from rollcall.errors import LogUnavailableError, RollcallError, SettingsError
from rollcall.eventlog.kafka.connection import Connection


async def reach(connection: Connection) -> None:
    """Connect to one of the brokers named in `log_url`, prove who we are, and hang up.

    Raises:
        SettingsError: A broker answered, and refuses what the settings say.
        LogUnavailableError: None answered.
    """
    troubles: list[RollcallError] = []
    for host, port, _ in collect_hosts(list(connection.brokers)):
        try:
            contact = await create_conn(
                host,
                port,
                client_id="rollcall",
                request_timeout_ms=round(connection.settings.request_timeout * 1000),
                **connection.credentials(),
            )
            try:
                # Who asks for no user where one is wanted learns of it only now.
                await contact.send(MetadataRequest([]))
            finally:
                contact.close()
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            troubles.append(_explained(f"{host}:{port}", connection, error))
        else:
            return
    refused = [trouble for trouble in troubles if isinstance(trouble, SettingsError)]
    raise (refused or troubles)[0]


def _explained(broker: str, connection: Connection, error: Exception) -> RollcallError:
    protocol = connection.settings.security_protocol
    if isinstance(error, SaslAuthenticationFailed | IllegalSaslStateError):
        return SettingsError(
            f"kafka.username, kafka.password_file: {broker} refuses user {connection.settings.username!r} with "
            f"{connection.settings.sasl_mechanism}; check name, password and mechanism"
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        return SettingsError(
            f"kafka.sasl_mechanism: {broker} does not take {connection.settings.sasl_mechanism}; it says: {error}"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return SettingsError(
            f"kafka.ca_file: the certificate of {broker} cannot be trusted ({error.verify_message}); name the PEM "
            "file of the authority that signed it, and the broker by the host name in its certificate"
        )
    if isinstance(error, ssl.SSLError):
        return SettingsError(
            f"kafka.security_protocol: {broker} does not speak TLS as {protocol} wants ({error.reason}); check the "
            "port, the protocol and the client certificate"
        )
    said = str(error).strip() or type(error).__name__
    return LogUnavailableError(
        f"Kafka at {broker} cannot be reached with security_protocol {protocol}: {said}. Is it running, and is that "
        "the protocol of that port?"
    )
