"""Accounts, as they stand in comments and histories and in the list of users."""

from typing import cast

import msgspec

from rollcall.identity import account
from rollcall.records import AccountType

_TYPES = frozenset({"atlassian", "app", "customer"})
_LONGEST = 128
"""Longest account id that Jira Cloud has (OpenAPI file)."""


class Person(msgspec.Struct, rename="camel", frozen=True):
    """An account. ``emailAddress`` may be null, absent or blank; ``active`` has been seen as text (captures)."""

    account_id: str | None = None
    account_type: str | None = None
    display_name: str | None = None
    email_address: str | None = None
    active: bool | str | None = None

    @property
    def known_id(self) -> str:
        """The account id; empty when there is none that could be one person's."""
        found = account(self.account_id)
        return found if len(found) <= _LONGEST else ""

    @property
    def known_type(self) -> AccountType:
        """The account's type; empty when Jira does not say or calls it unknown."""
        return cast(AccountType, self.account_type) if self.account_type in _TYPES else ""

    @property
    def is_active(self) -> bool:
        """Jira's own flag; active when it is missing."""
        return self.active not in (False, "false")


PERSON = msgspec.json.Decoder(Person)
