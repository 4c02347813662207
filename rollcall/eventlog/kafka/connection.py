"""How every client of this log connects: brokers, credentials, certificates and patience."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.errors import SettingsError
from rollcall.settings.kafka import KafkaSettings
from rollcall.settings.secrets import read_secret_file

RETRY_BACKOFF_MS = 200
"""Pause before a client asks again; below it, clients of an outage would be a load of their own."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Brokers and settings, with the certificates loaded."""

    brokers: tuple[str, ...]
    settings: KafkaSettings
    tls: ssl.SSLContext | None

    def arguments(self, request_seconds: float | None = None) -> dict[str, Any]:
        """Return the arguments that aiokafka's producer, consumer and admin client share."""
        return {
            "bootstrap_servers": list(self.brokers),
            "client_id": "rollcall",
            "request_timeout_ms": round((request_seconds or self.settings.request_timeout) * 1000),
            "retry_backoff_ms": RETRY_BACKOFF_MS,
            "metadata_max_age_ms": 60_000,
            **self.credentials(),
        }

    def credentials(self) -> dict[str, Any]:
        """Return the part of the arguments that says who asks, and over what."""
        settings = self.settings
        given: dict[str, Any] = {"security_protocol": settings.security_protocol.upper(), "ssl_context": self.tls}
        if settings.sasl:
            given["sasl_mechanism"] = settings.sasl_mechanism
            given["sasl_plain_username"] = settings.username
            given["sasl_plain_password"] = settings.secret()
        return given


def connection_of(brokers: list[str], settings: KafkaSettings) -> Connection:
    """Put brokers and settings together.

    Raises:
        SettingsError: A certificate, key or password file cannot be used.
    """
    try:
        settings.secret()
        tls = _tls(settings) if settings.tls else None
    except ValueError as error:  # of an unreadable secret file
        raise SettingsError(f"kafka.{error}") from None
    return Connection(tuple(brokers), settings, tls)


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_text(settings.ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(
            f"kafka.ca_file: {settings.ca_file} cannot be used ({_reason(error)}); it must be PEM"
        ) from None
    if settings.client_cert_file and settings.client_key_file:
        words = settings.client_key_password_file
        password = read_secret_file("client_key_password_file", words).strip() if words else ""
        try:
            # Never None for the password: OpenSSL would ask the terminal for it.
            context.load_cert_chain(settings.client_cert_file, settings.client_key_file, password)
        except OSError as error:
            raise SettingsError(
                f"kafka.client_cert_file, kafka.client_key_file: {settings.client_cert_file} and "
                f"{settings.client_key_file} cannot be used ({_reason(error)}); both must be PEM and belong together, "
                "and an encrypted key needs client_key_password_file"
            ) from None
    return context


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
