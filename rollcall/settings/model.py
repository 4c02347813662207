"""Every setting of Rollcall, in one object that is loaded once and passed down."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rollcall.files import secret_text
from rollcall.http.guard import checked_address, is_loopback, optional_address
from rollcall.records import dead_letter_bytes, largest_body
from rollcall.settings.page import PageSettings
from rollcall.settings.parts import (
    SHORTEST_SECRET,
    ConsumerSettings,
    IngestSettings,
    PrivacySettings,
    ReconcileSettings,
    RetentionSettings,
)
from rollcall.settings.seats import OrganizationSettings, SeatsSettings
from rollcall.settings.servers import KafkaSettings, WarehouseSettings
from rollcall.settings.sites import SITE_NAME, SiteSettings


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
            description="What clients of the SQL door must know. Without one it is made at the first start, in the "
            "file `sql_token` beside the warehouse."
        ),
    ] = SecretStr("")
    sql_token_file: Annotated[Path | None, Field(description="File that holds `sql_token`.")] = None
    sql_unprotected: Annotated[
        bool,
        Field(
            description="Let everybody query the SQL door on a loopback address without a token: every user of this "
            "machine, and whomever a proxy there lets in without saying so."
        ),
    ] = False
    metrics_token: Annotated[
        SecretStr,
        Field(
            description="What Prometheus must bring as Bearer to read `/metrics`, and a monitor to read why `/readyz` "
            "is not ready, at least 16 characters. Without one they answer this machine alone where their address is a "
            "loopback one, and elsewhere whoever reaches it. Better: `metrics_token_file`."
        ),
    ] = SecretStr("")
    metrics_token_file: Annotated[Path | None, Field(description="File that holds `metrics_token`.")] = None
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
    audit: Annotated[
        Literal["auto", "on", "off"],
        Field(
            description="Whether each query of the SQL door and each view of the page is a line of the log: who, from "
            "where, what kind, how many rows, never the text; auto is where their address is not a loopback one, and "
            "of the page where people sign in at a provider or by a proxy."
        ),
    ] = "auto"
    ingest: Annotated[IngestSettings, Field(description="How webhooks are received.")] = IngestSettings()
    consumer: Annotated[ConsumerSettings, Field(description="How records reach the warehouse.")] = ConsumerSettings()
    privacy: Annotated[PrivacySettings, Field(description="When accounts are forgotten without being asked to.")] = (
        PrivacySettings()
    )
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
    organization: Annotated[
        OrganizationSettings,
        Field(
            description="The Atlassian organization that the sites belong to; optional. It alone knows when people "
            "looked at a product."
        ),
    ] = OrganizationSettings()
    seats: Annotated[
        SeatsSettings, Field(description="When a seat counts as idle, who keeps it anyway, and what it costs.")
    ] = SeatsSettings()
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
        if self.sql_secret() and self.sql_unprotected:
            raise ValueError("sql_token and sql_unprotected = true, which would ignore it: remove one of the two")
        return self

    @model_validator(mode="after")
    def _exempt_at_known_sites(self) -> "Settings":
        for place, one in enumerate(self.seats.exempt):
            if one.site and one.site not in self.sites:
                known = ", ".join(sorted(self.sites)) or "none"
                raise ValueError(f"seats.exempt.{place}.site: there is no site {one.site}; the sites are {known}")
        return self

    @model_validator(mode="after")
    def _long_enough_for_others(self) -> "Settings":
        if not is_loopback(self.listen):
            for name, site in self.sites.items():
                if any(len(secret) < SHORTEST_SECRET for secret in site.secrets()):
                    raise ValueError(
                        f"sites.{name} has a webhook secret shorter than {SHORTEST_SECRET} characters, and listen is "
                        "reached from other machines: make one with `openssl rand -hex 32`, or listen on 127.0.0.1"
                    )
        if 0 < len(self.metrics_secret()) < SHORTEST_SECRET:
            raise ValueError(f"metrics_token is shorter than {SHORTEST_SECRET} characters")
        token = self.sql_secret()
        if token and len(token) < SHORTEST_SECRET and self.sql_listen and not is_loopback(self.sql_listen):
            raise ValueError(
                f"sql_token is shorter than {SHORTEST_SECRET} characters, and sql_listen is reached from other "
                "machines: make one with `openssl rand -hex 32`, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _room_for_dead_letters(self) -> "Settings":
        """A body that cannot be understood, and whose dead letter the log cannot take, would be refused for ever."""
        needed = dead_letter_bytes(self.ingest.body_limit)
        if self.log_url.startswith("kafka:") and self.kafka.message_bytes < needed:
            raise ValueError(
                f"ingest.body_limit is {self.ingest.body_limit}, and the dead letter of a body of so many bytes does "
                f"not fit into kafka.message_bytes, {self.kafka.message_bytes}: set kafka.message_bytes to at least "
                f"{needed} (and kafka.pending_bytes to no less), or ingest.body_limit to at most "
                f"{largest_body(self.kafka.message_bytes)}"
            )
        return self

    def audits(self, listen: str) -> bool:
        """Return whether what readers do at an address is written to the log."""
        return self.audit == "on" or (self.audit == "auto" and not is_loopback(listen))

    def audits_page(self, listen: str) -> bool:
        """Return the same of the page, which others than this machine reach where people sign in elsewhere."""
        return self.audits(listen) or (self.audit == "auto" and self.page.signs_in_elsewhere)

    def metrics_secret(self) -> str:
        """Return the token of monitors, from settings or file; empty when there is none."""
        return secret_text("metrics_token_file", self.metrics_token_file, self.metrics_token)

    def sql_secret(self) -> str:
        """Return the SQL door's token, from settings or file; empty when there is none in them."""
        return secret_text("sql_token_file", self.sql_token_file, self.sql_token)
