"""The settings of one Jira site."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rollcall.errors import SettingsError
from rollcall.files import read_secret_file

SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")


class SiteSettings(BaseModel):
    """One Jira Cloud site: where it is, how to read it, and who may post its webhooks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[
        str,
        Field(
            description="Base URL of the site, or of the api.atlassian.com gateway for scoped tokens. "
            "Plain http only to a loopback address."
        ),
    ]
    email: Annotated[str, Field(description="E-mail address of the account that owns the API token.")] = ""
    api_token: Annotated[SecretStr, Field(description="Jira API token. Better: `api_token_file`.")] = SecretStr("")
    api_token_file: Annotated[Path | None, Field(description="File that holds the API token.")] = None
    scoped_token: Annotated[
        bool,
        Field(
            description="The API token has scopes. Such tokens work at api.atlassian.com only, so that REST is asked "
            "there; the site's cloud id is looked up. Not needed where `url` is the gateway already."
        ),
    ] = False
    webhook_secrets: Annotated[
        list[SecretStr],
        Field(description="Secrets that sign this site's webhooks; any of them counts, so a secret can be rotated."),
    ] = []
    webhook_secrets_file: Annotated[
        Path | None, Field(description="File that holds the webhook secrets, one a line.")
    ] = None
    unsigned: Annotated[
        bool,
        Field(
            description="Accept webhooks that nobody signed. Anyone who can reach the port can then invent activity."
        ),
    ] = False
    timezone: Annotated[str, Field(description="Time zone of the reporting days, such as `Europe/Berlin`.")] = "UTC"

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        if _NO_URL.search(value):
            raise ValueError("must not hold blanks or control characters")
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError("is no URL: a port is from 1 to 65535, and brackets hold an IPv6 address") from None
        if not parts.hostname or not (parts.scheme == "https" or _plain_to_loopback(parts)):
            raise ValueError("must be https://… (plain http only to a loopback address)")
        if port == 0 or parts.netloc.endswith(":"):
            raise ValueError("is no URL: a port is from 1 to 65535")
        try:
            # The two ways in which it is looked up: by the HTTP client, and by the system's resolver.
            httpx.URL(value).raw_host.decode().encode("idna")
        except (httpx.InvalidURL, UnicodeError):
            raise ValueError("is no URL: its host is no name that can be looked up") from None
        if "@" in parts.netloc or "?" in value or "#" in value:
            raise ValueError("must not hold a user, a query or a fragment")
        return value.rstrip("/")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write an IANA name such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _somebody_signs(self) -> "SiteSettings":
        if self.secrets() and self.unsigned:
            raise ValueError("has webhook secrets and unsigned = true, which would ignore them; remove one of the two")
        if not self.secrets() and not self.unsigned:
            raise ValueError(
                "has no webhook secret: anyone could invent activity. Set webhook_secrets (or "
                "webhook_secrets_file) to the secret entered at the webhook in Jira; to accept unsigned "
                "webhooks all the same write unsigned = true"
            )
        return self

    def secrets(self) -> list[bytes]:
        """Return the webhook secrets, from settings and file, without blanks."""
        texts = [secret.get_secret_value() for secret in self.webhook_secrets]
        if self.webhook_secrets_file:
            texts += read_secret_file("webhook_secrets_file", self.webhook_secrets_file).splitlines()
        return [text.encode() for text in map(str.strip, texts) if text]

    def token(self) -> str:
        """Return the API token, from settings or file; empty when there is none."""
        if self.api_token_file:
            return read_secret_file("api_token_file", self.api_token_file).strip()
        return self.api_token.get_secret_value().strip()

    def credentials(self, name: str) -> tuple[str, str] | None:
        """Return the e-mail and the API token for Jira's REST API; None when there are none.

        Args:
            name: Name of the site in the settings, for the error.

        Raises:
            SettingsError: The token's file cannot be read, or is empty.
        """
        try:
            token = self.token()
        except ValueError as error:
            raise SettingsError(f"sites.{name}.{error}") from None
        return (self.email, token) if self.email and token else None

    def zone(self) -> ZoneInfo:
        """Return the reporting time zone."""
        return ZoneInfo(self.timezone)


def _plain_to_loopback(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
