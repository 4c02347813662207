"""One account of the site, as the company knows it."""

from typing import Literal

import msgspec

AccountType = Literal["atlassian", "app", "customer"]
NEVER = 1 << 62
"""A time or day that does not come."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """An account: a human, an app or a portal customer.

    Attributes:
        index: Position in the company; the internal name of the account.
        account_id: Jira's accountId, in one of the forms seen: 24 hex digits or ``<number>:<uuid>``.
        account_type: Jira's accountType.
        name: Display name while the account is alive.
        email: Address, at example.com.
        email_hidden: Whether the profile hides it, so that REST leaves it out.
        zone: IANA name of the zone the person lives in.
        start_hour: Hour of the local day at which work begins.
        hours: Length of the working day.
        energy: Share of the work relative to the mean of 1; 0 for those who only read.
        weekends: Whether the person works on some weekends.
        left_day: First epoch day without the person; NEVER while employed.
        erased: Whether the account was deleted after leaving: Jira shows ``Former user``.
    """

    index: int
    account_id: str
    account_type: AccountType
    name: str
    email: str
    email_hidden: bool
    zone: str
    start_hour: float
    hours: float
    energy: float
    weekends: bool = False
    left_day: int = NEVER
    erased: bool = False
