"""The settings of one Jira site."""

import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rollcall.errors import SettingsError
from rollcall.files import read_secret_file, secret_text
from rollcall.settings.jira_url import checked_site_url

SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
_BEARER = re.compile("[!-~]+", re.ASCII)


class Credentials(NamedTuple):
    """What Jira's REST API is asked with: the e-mail, empty where the token is sent as Bearer, and the token."""

    email: str
    token: str


class SiteSettings(BaseModel):
    """One Jira Cloud site: where it is, how to read it, and who may post its webhooks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[
        str,
        Field(
            description="Base URL of the site, without a path; or of the site behind the gateway for scoped tokens, "
            "`https://api.atlassian.com/ex/jira/CLOUD_ID`. Plain http only to a loopback address."
        ),
    ]
    email: Annotated[str, Field(description="E-mail address of the account that owns the API token.")] = ""
    api_token: Annotated[SecretStr, Field(description="Jira API token. Better: `api_token_file`.")] = SecretStr("")
    api_token_file: Annotated[Path | None, Field(description="File that holds the API token.")] = None
    api_token_type: Annotated[
        Literal["basic", "bearer"],
        Field(
            description="How the API token is sent: `basic`, as the password of `email`, or `bearer`, without an "
            "e-mail. Tokens of service accounts want `bearer`, and the gateway (`scoped_token = true`)."
        ),
    ] = "basic"  # noqa: S105 - how it is sent, no token
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
    signed_elsewhere: Annotated[
        bool,
        Field(
            description="Another process takes this site's webhooks and has their secret, so that this one needs none: "
            "for `consume`, `reconcile`, `dashboard` and `migrate`. What takes webhooks then refuses to start."
        ),
    ] = False
    timezone: Annotated[str, Field(description="Time zone of the reporting days, such as `Europe/Berlin`.")] = "UTC"

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return checked_site_url(value)

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
        if self.signed_elsewhere:
            if self.secrets() or self.unsigned:
                raise ValueError(
                    "has signed_elsewhere = true, which leaves webhooks to another process, and webhook secrets or "
                    "unsigned = true; remove one of them"
                )
        elif not self.secrets() and not self.unsigned:
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
        return secret_text("api_token_file", self.api_token_file, self.api_token)

    def credentials(self, name: str) -> "Credentials | None":
        """Return what Jira's REST API is asked with; None when there is nothing.

        Args:
            name: Name of the site in the settings, for the error.

        Raises:
            SettingsError: The token's file cannot be read, is empty, or holds what no header can.
        """
        try:
            token = self.token()
        except ValueError as error:
            raise SettingsError(f"sites.{name}.{error}") from None
        bearer = self._sent_as_bearer()
        if bearer and token and not _BEARER.fullmatch(token):
            raise SettingsError(f"sites.{name}: the API token has blanks or letters that no token has; copy it anew")
        return Credentials("" if bearer else self.email, token) if token and (bearer or self.email) else None

    @property
    def names_token(self) -> bool:
        """Whether the settings say what Jira's REST API is to be asked with; the token's file is not looked at."""
        named = bool(self.api_token_file) or bool(self.token())
        return named and bool(self.email or self._sent_as_bearer())

    def _sent_as_bearer(self) -> bool:
        return self.api_token_type == "bearer"  # noqa: S105 - how it is sent, no token

    def zone(self) -> ZoneInfo:
        """Return the reporting time zone."""
        return ZoneInfo(self.timezone)
