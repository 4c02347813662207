"""The settings of seats: Atlassian's organization, when a seat is idle, who keeps it anyway, and what it costs."""

import re
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rollcall.files import secret_text
from rollcall.settings.jira_url import checked_origin
from rollcall.settings.parts import Group

PRODUCT_KEY = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_ORGANIZATION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_BEARER = re.compile("[!-~]+", re.ASCII)
_LONGEST_REASON = 1000

Days = Annotated[int, Field(ge=1, le=3650)]
Amount = Annotated[Decimal, Field(ge=0, le=10**9, allow_inf_nan=False)]
Steps = list[tuple[Annotated[int, Field(ge=1, le=10**9)], Amount]]


class OrganizationSettings(Group):
    """The Atlassian organization that the sites belong to: it alone knows when people looked at a product."""

    id: Annotated[
        str,
        Field(
            description="Id of the organization: it stands in the address of admin.atlassian.com, and beside the API "
            "key when that is made. Empty: nobody is asked who looked, and readers cannot be told."
        ),
    ] = ""
    api_key: Annotated[
        SecretStr,
        Field(
            description="API key of the organization, made by one of its admins; an API token of Jira does not work. "
            "Better: `api_key_file`."
        ),
    ] = SecretStr("")
    api_key_file: Annotated[Path | None, Field(description="File that holds the API key.")] = None
    url: Annotated[
        str, Field(description="Where the organization is asked. Plain http only to a loopback address.")
    ] = "https://api.atlassian.com"

    @field_validator("id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        if value and not _ORGANIZATION.fullmatch(value):
            raise ValueError("is no id of an organization: letters, digits, - and _ only")
        return value

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return checked_origin(value)

    @model_validator(mode="after")
    def _both_or_none(self) -> "OrganizationSettings":
        key = bool(self.api_key_file) or bool(self.api_key.get_secret_value().strip())
        if self.id and not key:
            raise ValueError("has an id and no API key: set api_key_file (admin.atlassian.com, Settings, API keys)")
        if key and not self.id:
            raise ValueError("has an API key and no id: set id, which admin.atlassian.com shows beside the key")
        return self

    def secret(self) -> str:
        """Return the API key, from settings or file; empty when no organization is named.

        Raises:
            ValueError: The file cannot be read, is empty, or holds what no header can.
        """
        key = secret_text("api_key_file", self.api_key_file, self.api_key) if self.id else ""
        if key and not _BEARER.fullmatch(key):
            raise ValueError("api_key has blanks or letters that no key has; copy it anew")
        return key


class Exemption(Group):
    """Somebody, or everybody of a group, whose seat is not counted as idle."""

    group: Annotated[str, Field(description="Name of a group, also one that grants nothing.")] = ""
    account_id: Annotated[str, Field(description="An account, in place of `group`.")] = ""
    reason: Annotated[str, Field(description="Why, in the words that reports show.")]
    until: Annotated[date | None, Field(description="Last day of it, in the site's time zone; none for ever.")] = None
    site: Annotated[str, Field(description="Name of the site it holds for; none for all.")] = ""

    @model_validator(mode="after")
    def _whole(self) -> "Exemption":
        if bool(self.group.strip()) == bool(self.account_id.strip()):
            raise ValueError("needs either a group or an account_id, and not both")
        if not self.reason.strip():
            raise ValueError("needs a reason: whoever sees it later will want to know")
        if len(self.reason) > _LONGEST_REASON:
            raise ValueError(f"has a reason of more than {_LONGEST_REASON} characters")
        return self


class ProductSettings(BaseModel):
    """What holds for one product: its price, and other days than the rest has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_days: Annotated[Days | None, Field(description="In place of `seats.idle_days`.")] = None
    new_days: Annotated[
        Annotated[int, Field(ge=0, le=3650)] | None, Field(description="In place of `seats.new_days`.")
    ] = None
    currency: Annotated[
        str, Field(pattern=r"^([A-Z]{3})?$", description="Currency of the prices, such as `USD`; needed with them.")
    ] = ""
    price: Annotated[
        Steps,
        Field(
            description="Graduated price of a month: `[[100, 9.05], [250, 6.70]]` for 9.05 for each seat up to 100 and "
            "6.70 for each further one up to 250; the last price goes on.",
        ),
    ] = []
    tiers: Annotated[
        Steps,
        Field(
            description="In place of `price`, what a year costs for up to so many seats: `[[100, 9500], "
            "[200, 17500]]`. Above the last tier the bill is not known.",
        ),
    ] = []
    renews: Annotated[
        date | None,
        Field(
            description="First day of the next period. A monthly period bills its maximum, so that seats freed save "
            "from then on."
        ),
    ] = None

    @field_validator("price", "tiers")
    @classmethod
    def _ascending(cls, value: Steps) -> Steps:
        seats = [upto for upto, _ in value]
        if any(later <= earlier for earlier, later in pairwise(seats)):
            raise ValueError(f"its seats must rise from step to step, and are {', '.join(map(str, seats))}")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> "ProductSettings":
        if self.price and self.tiers:
            raise ValueError("has price (by the month) and tiers (by the year); remove one of the two")
        if (self.price or self.tiers) and not self.currency:
            raise ValueError("has prices and no currency: set currency, such as USD")
        return self


class SeatsSettings(BaseModel):
    """When a seat counts as idle, who keeps it anyway, and what it costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_days: Annotated[
        Days, Field(description="Days with nothing done and nothing looked at after which it is idle.")
    ] = 90
    new_days: Annotated[int, Field(ge=0, le=3650, description="Days for which a seat counts as new; 0 for never.")] = 30
    coverage_line: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Share of facts brought by webhooks, over the days looked at, below which a verdict says so; 0 "
            "for never.",
        ),
    ] = 0.95
    exempt: Annotated[
        list[Exemption],
        Field(
            description="Whose seats are not counted as idle: a `[[seats.exempt]]` for each group or account.",
        ),
    ] = []
    products: Annotated[
        dict[str, ProductSettings],
        Field(description="Products by their keys, such as `jira-software`."),
    ] = {}

    @field_validator("products")
    @classmethod
    def _product_keys(cls, value: dict[str, ProductSettings]) -> dict[str, ProductSettings]:
        for key in value:
            if not PRODUCT_KEY.fullmatch(key):
                raise ValueError(
                    f"{key!r} is no product's key: Jira's are jira-software, jira-servicedesk, jira-product-discovery "
                    "and jira-core"
                )
        return value

    @property
    def longest_idle_days(self) -> int:
        """The largest number of days after which a seat of any product counts as idle."""
        return max([self.idle_days, *(one.idle_days or 0 for one in self.products.values())])

    def idle_days_of(self, product: str) -> int:
        """Return after how many days a seat of a product counts as idle."""
        return (self.products.get(product) or ProductSettings()).idle_days or self.idle_days

    def new_days_of(self, product: str) -> int:
        """Return for how many days a seat of a product counts as new."""
        own = (self.products.get(product) or ProductSettings()).new_days
        return self.new_days if own is None else own
