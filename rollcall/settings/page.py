"""The settings of the page: who may see it, how they sign in, and under which address the world reaches it."""

import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from rollcall.files import secret_text
from rollcall.http.guard import checked_address
from rollcall.settings.jira_url import checked_origin
from rollcall.settings.parts import SHORTEST_SECRET, Group

SHORTEST_PASSWORD = 12
"""Characters; together with the throttle it makes guessing over the network hopeless."""


class OpenIdSettings(Group):
    """Where people sign in by OpenID Connect, and as which client the page is known there."""

    issuer: Annotated[
        str,
        Field(
            description="The provider, as it names itself, such as `https://login.example.com/realms/acme`; what it "
            "can do is read from `/.well-known/openid-configuration` below it."
        ),
    ] = ""
    client_id: Annotated[
        str,
        Field(
            description="The client that was registered there for Rollcall, with the redirect address "
            "`<public_url>/sign-in/openid/callback`."
        ),
    ] = ""
    client_secret: Annotated[SecretStr, Field(description="Its secret. Better: `client_secret_file`.")] = SecretStr("")
    client_secret_file: Annotated[Path | None, Field(description="File that holds the client's secret.")] = None
    scopes: Annotated[
        tuple[str, ...],
        Field(description="What is asked for beside `openid`; some providers tell groups by one of their own."),
    ] = ("profile", "email")
    groups_claim: Annotated[
        str,
        Field(
            min_length=1,
            description="The claim that holds somebody's groups, one or a list. A provider without groups has others: "
            "`hd` is the domain at Google, `email` the address, which counts where it is verified.",
        ),
    ] = "groups"
    ca_file: Annotated[
        Path | None,
        Field(description="PEM file of the authorities that sign the provider's certificate; else the public ones."),
    ] = None

    @field_validator("issuer")
    @classmethod
    def _origin(cls, value: str) -> str:
        # As it is written: the provider's own word is compared with it, and Auth0 ends its name with a slash.
        return value if checked_origin(value or "https://none.example") else ""

    @model_validator(mode="after")
    def _whole(self) -> "OpenIdSettings":
        if bool(self.issuer) != bool(self.client_id):
            raise ValueError("issuer and client_id belong together")
        if self.issuer and not self.secret():
            raise ValueError("needs client_secret_file: the page is a confidential client")
        if self.ca_file:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as error:  # as are those of ssl
                raise ValueError(f"ca_file: {self.ca_file} holds no certificates that can be read ({error})") from None
        if not self.issuer and self.secret():
            raise ValueError("has a client_secret and no issuer, so that nobody can sign in by it; set both")
        return self

    def secret(self) -> str:
        """Return the client's secret, from settings or file; empty when there is none."""
        return secret_text("client_secret_file", self.client_secret_file, self.client_secret)


class ProxySettings(Group):
    """A proxy before the page that signs people in and tells in headers who they are.

    Whoever reaches the page past the proxy can send any header, so the proxy proves itself with each request.
    """

    user_header: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9-]+)?$",
            description="Header in which the proxy tells who somebody is, such as `X-Forwarded-User`.",
        ),
    ] = ""
    groups_header: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9-]+$",
            description="Header in which it tells their groups, with commas between them. It may be `user_header`; "
            "then `names_groups` and `figures_groups` list people.",
        ),
    ] = "X-Forwarded-Groups"
    secret: Annotated[
        SecretStr,
        Field(
            description="What the proxy sends as `X-Rollcall-Proxy-Secret` with each request, at least 16 characters. "
            "Better: `secret_file`."
        ),
    ] = SecretStr("")
    secret_file: Annotated[Path | None, Field(description="File that holds that secret.")] = None

    @model_validator(mode="after")
    def _whole(self) -> "ProxySettings":
        given = self.proof()
        reserved = {"x-rollcall-proxy-secret", "cookie", "authorization", "host"}
        if reserved.intersection((self.user_header.lower(), self.groups_header.lower())):
            raise ValueError("user_header and groups_header cannot be a header that holds a secret, or Host")
        if bool(self.user_header) != bool(given):
            raise ValueError("user_header and secret_file belong together: a header alone can be sent by anybody")
        if given and len(given) < SHORTEST_SECRET:
            raise ValueError(f"secret is shorter than {SHORTEST_SECRET} characters")
        return self

    def proof(self) -> str:
        """Return the secret that the proxy sends, from settings or file; empty when there is none."""
        return secret_text("secret_file", self.secret_file, self.secret)


class PageSettings(Group):
    """The web page: who may see it, and under which address the world reaches this installation."""

    listen: Annotated[
        str,
        Field(description="Address and port of `rollcall dashboard`. `up` shows the page at its own `listen`."),
    ] = "127.0.0.1:8082"
    password: Annotated[
        SecretStr,
        Field(
            description="Password of the page, at least 12 characters. Without one the page is shown on this machine "
            "only, by the one-time sign-in address that is printed at each start. Better: `password_file`."
        ),
    ] = SecretStr("")
    password_file: Annotated[Path | None, Field(description="File that holds the password of the page.")] = None
    figures_password: Annotated[
        SecretStr,
        Field(
            description="Another password, at least 12 characters, of those who see head counts, licenses, savings and "
            "health, and no view of persons. Better: `figures_password_file`."
        ),
    ] = SecretStr("")
    figures_password_file: Annotated[Path | None, Field(description="File that holds that other password.")] = None
    names_groups: Annotated[
        tuple[str, ...],
        Field(
            description="Groups, as the provider of `[page.openid]` or the proxy of `[page.proxy]` tells them, whose "
            "people see every view."
        ),
    ] = ()
    figures_groups: Annotated[
        tuple[str, ...], Field(description="Groups whose people see figures only, as by `figures_password`.")
    ] = ()
    openid: Annotated[
        OpenIdSettings, Field(description="Sign in at an OpenID Connect provider; without an `issuer` at none.")
    ] = OpenIdSettings()
    proxy: Annotated[
        ProxySettings, Field(description="Believe a proxy that signs people in; without a `user_header` none.")
    ] = ProxySettings()
    unprotected: Annotated[
        bool,
        Field(
            description="Show the page on a loopback address without any secret: to every user of this machine, and to "
            "whomever a proxy there lets in without saying so."
        ),
    ] = False
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

    @field_validator("names_groups", "figures_groups")
    @classmethod
    def _named(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        if not all(group.strip() for group in groups):
            raise ValueError("has an empty name, which is no group; remove it")
        return tuple(group.strip() for group in groups)

    @model_validator(mode="after")
    def _groups_are_told(self) -> "PageSettings":
        told, groups = self.signs_in_elsewhere, {*self.names_groups, *self.figures_groups}
        if told and not groups:
            raise ValueError("has people sign in elsewhere and lets none of them in; set names_groups")
        if groups and not told:
            raise ValueError("has groups that nobody tells; set up [page.openid] or [page.proxy]")
        if both := sorted(set(self.names_groups).intersection(self.figures_groups)):
            raise ValueError(f"has {both[0]!r} both in names_groups and in figures_groups; remove it from one")
        if self.openid.issuer and not self.public_url:
            raise ValueError("has [page.openid], which needs public_url: the provider sends people back to it")
        if self.openid.issuer:
            checked_origin(self.public_url)  # https, as what comes back signs somebody in
        by_name = self.proxy.user_header.lower() == self.proxy.groups_header.lower()
        if self.proxy.user_header and not by_name and any("," in group for group in groups):
            raise ValueError(
                "has a group with a comma, which parts groups in the proxy's header; have it send another name"
            )
        return self

    @model_validator(mode="after")
    def _long_enough(self) -> "PageSettings":
        given = self.secret()
        if given and len(given) < SHORTEST_PASSWORD:
            raise ValueError(f"the password is shorter than {SHORTEST_PASSWORD} characters")
        if given and self.unprotected:
            raise ValueError("has a password and unprotected = true, which would ignore it; remove one of the two")
        if self.signs_in_elsewhere and self.unprotected:
            raise ValueError("has people sign in and unprotected = true, which would ignore it; remove one of the two")
        figures = self.figures_secret()
        if figures and len(figures) < SHORTEST_PASSWORD:
            raise ValueError(f"figures_password is shorter than {SHORTEST_PASSWORD} characters")
        if figures and not given:
            raise ValueError("has a figures_password and no password, by which somebody sees names; set both")
        if figures and figures == given:
            raise ValueError("figures_password is the password, so that it would show names; take another one")
        return self

    def secret(self) -> str:
        """Return the password, from settings or file; empty when there is none."""
        return secret_text("password_file", self.password_file, self.password)

    def figures_secret(self) -> str:
        """Return the password of those who see figures only; empty when there is none."""
        return secret_text("figures_password_file", self.figures_password_file, self.figures_password)

    @property
    def signs_in(self) -> bool:
        """Whether people sign in by something that lasts: a password, at a provider, or at a proxy."""
        return bool(self.secret()) or self.signs_in_elsewhere

    @property
    def signs_in_elsewhere(self) -> bool:
        """Whether a provider or a proxy says who people are."""
        return bool(self.openid.issuer or self.proxy.user_header)
