"""The brokers: how every client of this log connects to them, and what their failures mean.

The first contact with the brokers is made by hand, because aiokafka's own hides why it failed.
"""

import asyncio
import platform
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from rollcall.errors import LogUnavailableError, RollcallError, SettingsError
from rollcall.eventlog.kafka._aiokafka import contact, hosts_of
from rollcall.files import read_secret_file
from rollcall.settings.servers import KafkaSettings

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
"""What brokers' metrics would have to quote in a client.id."""

_LONGEST = 300
"""Characters of a client's error text that are passed on."""


def unavailable(doing: str, error: BaseException) -> LogUnavailableError:
    """Return the error to raise for one of the client's."""
    said = str(error).strip().splitlines()
    return LogUnavailableError(f"Kafka failed at {doing}: {(said[0] if said else type(error).__name__)[:_LONGEST]}")


_AGAIN_SECONDS = 0.2


class _CancelledAgain:
    """Cancels a body that takes longer than that, and again for as long as it lives on."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())  # a coroutine runs in one
        self._further = 0
        self._next = self._loop.call_later(seconds, self._cancel)

    def __enter__(self) -> None:
        """Begin; the clock runs already."""

    def __exit__(self, *raised: object) -> None:
        """Take back what was cancelled further, as the timeout does with its own."""
        self._next.cancel()
        for _ in range(self._further):
            self._task.uncancel()

    def _cancel(self) -> None:
        self._further += 1
        self._task.cancel()
        self._next = self._loop.call_later(_AGAIN_SECONDS, self._cancel)


@asynccontextmanager
async def within(seconds: float, doing: str) -> AsyncIterator[None]:
    """Run the body for at most so many seconds.

    A body that lives on is cancelled again: aiokafka takes a cancellation that comes together with an answer for the
    answer, and then waits for the next one without a bound.

    Raises:
        LogUnavailableError: It took longer, or the client raised an error of Kafka's or of the network's.
    """
    try:
        async with asyncio.timeout(seconds):
            with _CancelledAgain(seconds + _AGAIN_SECONDS):
                yield
    except TimeoutError:
        raise LogUnavailableError(f"Kafka took longer than {seconds:g} s for {doing}") from None
    except (KafkaError, OSError) as error:
        raise unavailable(doing, error) from error


RETRY_BACKOFF_MS = 200
"""Pause before a client repeats a request; below it, clients of an outage would be a load of their own."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Brokers and settings, with the certificates loaded."""

    brokers: tuple[str, ...]
    settings: KafkaSettings
    tls: ssl.SSLContext | None
    client_id: str

    def arguments(self, request_seconds: float | None = None) -> dict[str, Any]:
        """Return the arguments that aiokafka's producer, consumer and admin client share."""
        return {
            "bootstrap_servers": list(self.brokers),
            "client_id": self.client_id,
            "request_timeout_ms": round((request_seconds or self.settings.request_timeout) * 1000),
            "retry_backoff_ms": RETRY_BACKOFF_MS,
            "metadata_max_age_ms": 60_000,
            **self.credentials(),
        }

    def credentials(self) -> dict[str, Any]:
        """Return the part of the arguments that is the protocol and the credentials."""
        settings = self.settings
        given: dict[str, Any] = {"security_protocol": settings.security_protocol.upper(), "ssl_context": self.tls}
        if settings.sasl:
            given["sasl_mechanism"] = settings.sasl_mechanism
            given["sasl_plain_username"] = settings.username
            given["sasl_plain_password"] = settings.secret()
        return given


def connection_of(brokers: list[str], settings: KafkaSettings, command: str) -> Connection:
    """Put brokers and settings together, and a client.id such as ``rollcall-ingest-host1``.

    Raises:
        SettingsError: A certificate, key or password file cannot be used.
    """
    try:
        settings.secret()
        tls = _tls(settings) if settings.tls else None
    except ValueError as error:  # of an unreadable secret file
        raise SettingsError(f"kafka.{error}") from None
    return Connection(tuple(brokers), settings, tls, _NOT_IN_NAMES.sub("-", f"{command} {platform.node()}".strip()))


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
            # Never None for the password: OpenSSL would read it from the terminal.
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


async def probe(connection: Connection) -> None:
    """Connect to one of the brokers named in `log_url`, prove who we are, and hang up.

    Raises:
        SettingsError: A broker answered, and refuses what the settings say.
        LogUnavailableError: None answered.
    """
    troubles: list[RollcallError] = []
    timeout_ms = round(connection.settings.request_timeout * 1000)
    arguments = {"client_id": connection.client_id, "request_timeout_ms": timeout_ms, **connection.credentials()}
    for host, port in hosts_of(connection.brokers):
        try:
            await contact(host, port, arguments)
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
