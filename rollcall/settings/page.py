"""The settings of the web page."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rollcall.settings.addresses import checked_address
from rollcall.settings.secrets import read_secret_file

SHORTEST_PASSWORD = 12
"""Characters; together with the throttle it makes guessing over the network hopeless."""


class PageSettings(BaseModel):
    """The web page: who may see it, and under which address the world reaches this installation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Annotated[
        str,
        Field(description="Address and port of `rollcall dashboard`. `up` shows the page at its own `listen`."),
    ] = "127.0.0.1:8082"
    password: Annotated[
        SecretStr,
        Field(
            description="Password of the page, at least 12 characters. Without one the page is shown only to this "
            "machine: as soon as its address is not a loopback one, or a proxy passes requests on, a password is "
            "demanded. Better: `password_file`."
        ),
    ] = SecretStr("")
    password_file: Annotated[Path | None, Field(description="File that holds the password of the page.")] = None
    public_url: Annotated[
        str,
        Field(
            description="Address under which Jira and people reach this installation, such as "
            "`https://rollcall.example.com`. The page shows it in the webhook URL to paste into Jira, and when it is "
            "https the sign-in cookie is marked Secure for requests to that host."
        ),
    ] = ""
    session_hours: Annotated[
        float, Field(gt=0, le=24 * 30, description="Hours after which somebody who signed in has to do so again.")
    ] = 12.0

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        return checked_address(value)

    @field_validator("public_url")
    @classmethod
    def _plain_origin(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be https://host, such as https://rollcall.example.com")
        if parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must hold scheme, host and port only")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _long_enough(self) -> "PageSettings":
        given = self.secret()
        if given and len(given) < SHORTEST_PASSWORD:
            raise ValueError(f"the password is shorter than {SHORTEST_PASSWORD} characters")
        return self

    def secret(self) -> str:
        """Return the password, from settings or file; empty when there is none."""
        if self.password_file:
            return read_secret_file("password_file", self.password_file).strip()
        return self.password.get_secret_value().strip()
