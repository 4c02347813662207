"""Every setting of Rollcall, in one object that is loaded once and passed down."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rollcall.settings.addresses import checked_address, optional_address
from rollcall.settings.kafka import KafkaSettings
from rollcall.settings.letters import largest_body, letter_bytes
from rollcall.settings.page import PageSettings
from rollcall.settings.reconcile import ReconcileSettings
from rollcall.settings.secrets import read_secret_file
from rollcall.settings.sites import SITE_NAME, SiteSettings
from rollcall.settings.warehouse import WarehouseSettings


class Group(BaseModel):
    """Settings of one part; an unknown name is an error, so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IngestSettings(Group):
    """How webhooks are received."""

    body_limit: Annotated[
        int,
        Field(
            ge=1024,
            description="Largest webhook body, in bytes; a larger one is answered 413. Jira sends up to 25 MB. On "
            "Kafka its dead letter has to fit into `kafka.message_bytes`.",
        ),
    ] = 32 * 1024 * 1024
    body_timeout: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds a webhook's body may take to arrive; then it is answered 408, which Jira retries.",
        ),
    ] = 20.0
    bodies_in_memory: Annotated[
        int,
        Field(
            ge=1024,
            description="Bytes of webhook bodies held at once; beyond it webhooks are answered 503 with Retry-After.",
        ),
    ] = 256 * 1024 * 1024
    append_timeout: Annotated[
        float,
        Field(gt=0, description="Seconds to wait for the log to take the facts; then 503 with Retry-After."),
    ] = 10.0
    retry_after: Annotated[int, Field(ge=1, description="Seconds named in Retry-After of a 503.")] = 30
    drain_timeout: Annotated[
        float, Field(gt=0, description="Seconds that webhooks in flight get to finish at a stop.")
    ] = 15.0


class ConsumerSettings(Group):
    """How records go from the log into the warehouse."""

    listen: Annotated[
        str,
        Field(
            description="Address and port where `rollcall consume` answers /healthz, /readyz and /metrics; empty "
            "switches it off. Several `consume` on one machine need an address each. `up` answers them at `listen`."
        ),
    ] = "127.0.0.1:8081"
    batch_records: Annotated[int, Field(ge=1, le=1_000_000, description="Most records inserted at once.")] = 20_000
    batch_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds that a record waits for its batch to fill.")
    ] = 1.0
    poison_ratio: Annotated[
        float,
        Field(gt=0, le=1, description="Share of unreadable records in the window at which the consumer stops."),
    ] = 0.2
    poison_window: Annotated[
        int, Field(ge=10, description="Number of records that the share of unreadable ones is taken over.")
    ] = 1000
    backoff_max: Annotated[
        float,
        Field(gt=0, description="Longest pause in seconds between two tries while log or warehouse are away."),
    ] = 30.0

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return optional_address(value)


class RetentionSettings(Group):
    """How long the event log keeps records.

    A SQLite log removes nothing that a consumer has yet to write. Kafka removes by age, read or not.
    """

    activity_days: Annotated[
        float,
        Field(
            gt=0,
            description="Days that activity and directory records are kept. On Kafka it is written into the "
            "topics when they are created, and records go whether or not a consumer has read them: consumers may stand "
            "still no longer.",
        ),
    ] = 7.0
    deadletter_days: Annotated[
        float,
        Field(
            gt=0,
            description="Days that dead letters are kept. On Kafka it is written into their topic when it is created.",
        ),
    ] = 30.0
    max_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Size of a topic in bytes above which its oldest consumed records go; 0 for no limit. On Kafka "
            "it bounds the dead letters only, when their topic is created.",
        ),
    ] = 4 * 1024**3
    every_seconds: Annotated[float, Field(gt=0, description="Seconds between two clean-ups. Not used with Kafka.")] = (
        300.0
    )


class Settings(BaseSettings):
    """All settings; see docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="ROLLCALL_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    listen: Annotated[str, Field(description="Address and port for webhooks and the page.")] = "127.0.0.1:8080"
    sql_listen: Annotated[
        str,
        Field(description="Address and port of the read-only SQL door of `up`; empty switches it off."),
    ] = "127.0.0.1:8123"
    sql_token: Annotated[
        SecretStr,
        Field(
            description="What clients of the SQL door must know. Needed where `sql_listen` is not a loopback address."
        ),
    ] = SecretStr("")
    sql_token_file: Annotated[Path | None, Field(description="File that holds `sql_token`.")] = None
    log_url: Annotated[
        str, Field(description="The event log: `sqlite:///absolute/path/events.db` or `kafka://host:port,…`.")
    ] = "sqlite:///var/rollcall/events.db"
    warehouse_url: Annotated[
        str,
        Field(
            description="The warehouse: `chdb:///absolute/path`, `clickhouse://user@host:8123/db`, or "
            "`clickhouses://…` with TLS."
        ),
    ] = "chdb:///var/rollcall/warehouse"
    topic_prefix: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]+$", description="First part of the names of the log's topics.")
    ] = "rollcall"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Least severe messages to write to stderr."),
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        Field(description="Form of log lines; auto is console on a terminal, else JSON."),
    ] = "auto"
    ingest: Annotated[IngestSettings, Field(description="How webhooks are received.")] = IngestSettings()
    consumer: Annotated[ConsumerSettings, Field(description="How records reach the warehouse.")] = ConsumerSettings()
    retention: Annotated[RetentionSettings, Field(description="How long the log keeps records.")] = RetentionSettings()
    reconcile: Annotated[ReconcileSettings, Field(description="How Jira's REST API is asked what webhooks missed.")] = (
        ReconcileSettings()
    )
    kafka: Annotated[KafkaSettings, Field(description="How to speak to Kafka, if `log_url` names it.")] = (
        KafkaSettings()
    )
    warehouse: Annotated[
        WarehouseSettings, Field(description="How to speak to a ClickHouse server, if `warehouse_url` names one.")
    ] = WarehouseSettings()
    page: Annotated[PageSettings, Field(description="The web page.")] = PageSettings()
    sites: Annotated[
        dict[str, SiteSettings],
        Field(description="The Jira sites by name; the name is part of the webhook URL."),
    ] = {}

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return checked_address(value)

    @field_validator("sql_listen")
    @classmethod
    def _address_or_none(cls, value: str) -> str:
        return optional_address(value)

    @field_validator("sites")
    @classmethod
    def _site_names(cls, value: dict[str, SiteSettings]) -> dict[str, SiteSettings]:
        for name in value:
            if not SITE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a site: use lower-case letters, digits, - and _")
        return value

    @model_validator(mode="after")
    def _readable_secrets(self) -> "Settings":
        self.sql_secret()
        return self

    @model_validator(mode="after")
    def _room_for_letters(self) -> "Settings":
        """A body that cannot be understood, and whose letter the log cannot take, would be refused for ever."""
        needed = letter_bytes(self.ingest.body_limit)
        if self.log_url.startswith("kafka:") and self.kafka.message_bytes < needed:
            raise ValueError(
                f"ingest.body_limit is {self.ingest.body_limit}, and the dead letter of a body of so many bytes does "
                f"not fit into kafka.message_bytes, {self.kafka.message_bytes}: set kafka.message_bytes to at least "
                f"{needed} (and kafka.pending_bytes to no less), or ingest.body_limit to at most "
                f"{largest_body(self.kafka.message_bytes)}"
            )
        return self

    def sql_secret(self) -> str:
        """Return the SQL door's token, from settings or file; empty when there is none."""
        if self.sql_token_file:
            return read_secret_file("sql_token_file", self.sql_token_file).strip()
        return self.sql_token.get_secret_value().strip()
