"""How to speak to Kafka and to a ClickHouse server; used only when `log_url` or `warehouse_url` names one."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from rollcall.files import secret_text
from rollcall.settings.parts import Group

_MIB = 1024 * 1024


def _check_pair(cert: Path | None, key: Path | None) -> None:
    if bool(cert) != bool(key):
        raise ValueError("client_cert_file and client_key_file belong together")


class KafkaSettings(Group):
    """Topics, credentials, sizes and timeouts of the Kafka log."""

    create_topics: Annotated[
        bool,
        Field(
            description="Create the topics that are missing; false where only an administrator may, see Kafka in "
            "docs/operations.md."
        ),
    ] = True
    partitions: Annotated[
        int,
        Field(
            ge=1, le=10_000, description="Partitions of a topic that is created; at most so many consumers share it."
        ),
    ] = 12
    replication_factor: Annotated[
        int, Field(ge=1, le=100, description="Copies of a topic that is created; 1 on a single broker.")
    ] = 3
    min_insync_replicas: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="Copies that must have a record before a webhook is answered 204. A topic with a lower "
            "`min.insync.replicas` is refused at start.",
        ),
    ] = 2
    security_protocol: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"],
        Field(description="How brokers are spoken to; `sasl_plaintext` sends what it sends unencrypted."),
    ] = "plaintext"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Field(description="How the password is proven, with a `sasl_…` protocol."),
    ] = "SCRAM-SHA-512"
    username: Annotated[str, Field(description="User name, with a `sasl_…` protocol.")] = ""
    password: Annotated[SecretStr, Field(description="Its password. Better: `password_file`.")] = SecretStr("")
    password_file: Annotated[Path | None, Field(description="File that holds the password.")] = None
    ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities that sign the brokers' certificates; else the system's."),
    ] = None
    client_cert_file: Annotated[
        Path | None, Field(description="PEM file of this client's certificate, where brokers ask for one.")
    ] = None
    client_key_file: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    client_key_password_file: Annotated[
        Path | None, Field(description="File that holds the private key's password, if it has one.")
    ] = None
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"],
        Field(description="How batches are compressed on their way to the log and in it."),
    ] = "zstd"
    message_bytes: Annotated[
        int,
        Field(
            ge=_MIB,
            description="Largest record. A dead letter needs 4/3 of `ingest.body_limit` and 8 KiB; less is refused.",
        ),
    ] = 48 * _MIB
    pending_bytes: Annotated[
        int,
        Field(
            ge=_MIB,
            le=96 * _MIB,  # Brokers close the connection on a request above socket.request.max.bytes, 100 MiB.
            description="Bytes of records that may wait for the brokers; beyond it webhooks are answered 503 at once.",
        ),
    ] = 64 * _MIB
    request_timeout: Annotated[
        float, Field(ge=1, le=300, description="Seconds a broker may take to answer before it counts as away.")
    ] = 10.0
    append_timeout: Annotated[
        float,
        Field(
            gt=0,
            le=300,
            description="Seconds an append may take through all repeats before the log counts as away; for webhooks "
            "`ingest.append_timeout` holds too.",
        ),
    ] = 15.0
    session_timeout: Annotated[
        float,
        Field(ge=1, le=300, description="Seconds after which a silent consumer's partitions go to others."),
    ] = 10.0

    @property
    def sasl(self) -> bool:
        """Whether brokers ask for a user name."""
        return self.security_protocol.startswith("sasl_")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("ssl")

    def secret(self) -> str:
        """Return the password, from settings or file; empty when there is none."""
        return secret_text("password_file", self.password_file) or self.password.get_secret_value()

    @model_validator(mode="after")
    def _fits_together(self) -> "KafkaSettings":
        if self.sasl and not (self.username and self.secret()):
            raise ValueError(f"security_protocol {self.security_protocol} needs username and password_file")
        if not self.sasl and (self.username or self.secret()):
            raise ValueError("has a user, which needs security_protocol sasl_ssl (or sasl_plaintext)")
        if not self.tls and (self.ca_file or self.client_cert_file or self.client_key_file):
            raise ValueError("has certificates, which need security_protocol ssl or sasl_ssl")
        _check_pair(self.client_cert_file, self.client_key_file)
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError("min_insync_replicas must not exceed replication_factor, or nothing could be written")
        if self.message_bytes > self.pending_bytes:
            raise ValueError("message_bytes must not exceed pending_bytes")
        return self


class WarehouseSettings(Group):
    """Password, TLS and cluster of a ClickHouse server; the embedded engine has none of them."""

    cluster: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9_.-]+)?$",
            description="Name of the ClickHouse cluster, of one shard, whose replicas all get the tables (Replicated "
            "engines, `ON CLUSTER`); empty for a single server.",
        ),
    ] = ""
    password_file: Annotated[
        Path | None, Field(description="File that holds the password of the user in `warehouse_url`.")
    ] = None
    ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities that sign the server's certificate; else the public ones."),
    ] = None
    client_cert_file: Annotated[
        Path | None,
        Field(description="PEM file of this client's certificate, where the server asks for one; the user needs none."),
    ] = None
    client_key_file: Annotated[Path | None, Field(description="PEM file of its private key.")] = None
    verify: Annotated[
        bool,
        Field(description="Check the server's certificate; false lets anyone in between read and change everything."),
    ] = True

    @property
    def has_tls(self) -> bool:
        """Whether anything is set that only a connection with TLS uses."""
        return bool(self.ca_file or self.client_cert_file) or not self.verify

    def password(self) -> str:
        """Return the password of the file; empty when no file is named."""
        return secret_text("password_file", self.password_file)

    @model_validator(mode="after")
    def _fits_together(self) -> "WarehouseSettings":
        self.password()
        _check_pair(self.client_cert_file, self.client_key_file)
        if self.ca_file and not self.verify:
            raise ValueError("ca_file is of no use while verify is false")
        for name in ("ca_file", "client_cert_file", "client_key_file"):
            path: Path | None = getattr(self, name)
            if path and not path.is_file():
                raise ValueError(f"{name}: {path} is not there")
        return self
