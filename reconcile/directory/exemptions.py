"""What the settings of seats name of a site: products, groups and accounts; who is in them, and what is not there.

A group that exempts need not give access to anything, so that no other part of the directory reads it. A name that the
site lacks would exempt nobody without a word, and so it is told.
"""

from collections.abc import Collection, Iterator

from reconcile.client.endpoints import GROUPS, USERS_BY_ID
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import NotThereError
from reconcile.client.paging import by_offset
from reconcile.directory.grants import GROUP, Groups, Held, listed_products
from reconcile.responses import GroupPage, MemberPage
from rollcall.jira.values import LONGEST_TEXT
from rollcall.settings import SeatsSettings

_LOST = "exempts nobody"


def exempt_groups(seats: SeatsSettings, site: str) -> list[str]:
    """Return the names of the groups that the settings exempt at a site, each once."""
    return sorted({one.group for one in seats.exempt if one.group and one.site in ("", site)})


def exempt_accounts(seats: SeatsSettings, site: str) -> list[str]:
    """Return the accounts that the settings exempt at a site, each once."""
    return sorted({one.account_id for one in seats.exempt if one.account_id and one.site in ("", site)})


async def group_ids(jira: JiraClient, name: str) -> list[str]:
    """Return the ids of the groups of this very name: one, or none. Raises JiraError."""

    async def ask(start: int) -> GroupPage:
        return await jira.read(GroupPage, GROUPS, query={"startAt": start, "maxResults": 50, "groupName": name})

    try:
        found = [group async for page in by_offset(GROUPS, ask) for group in page.values]
    except NotThereError:
        return []
    return [group.group_id for group in found if group.name == name and group.group_id]


async def members_of(jira: JiraClient, groups: Groups, names: Collection[str]) -> tuple[set[Held], list[str]]:
    """Return who is in the groups of these names, as roles, and the names that the site lacks.

    Args:
        jira: Asks.
        groups: The groups of the site, each read once a run.
        names: Of the groups.

    Raises:
        JiraError: Jira did not answer, or refused.
    """
    held: set[Held] = set()
    lacking = []
    for name in names:
        ids = await group_ids(jira, name)
        if not ids:
            lacking.append(name)
        for group_id in ids:
            held.update((account, name[:LONGEST_TEXT], GROUP) for account in await groups.members(group_id))
    return held, lacking


def told(
    seats: SeatsSettings, products: Collection[str], lost_groups: Collection[str], lost_accounts: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for each name of the settings that the site lacks.

    Args:
        seats: The settings.
        products: Keys of the site's products; none where they are not known.
        lost_groups: Names of groups that the site lacks.
        lost_accounts: Ids of accounts that it lacks.
    """
    for key in sorted(seats.products.keys() - set(products)) if products else ():
        yield f"seats.products.{key}: the site has no such product; it has {', '.join(sorted(products))}"
    for name in lost_groups:
        yield f"seats.exempt: the site has no group {name}, which {_LOST}"
    for account in lost_accounts:
        yield f"seats.exempt: the site has no account {account}, which {_LOST}"


async def lost_names(jira: JiraClient, seats: SeatsSettings, site: str) -> list[str]:
    """Ask for each name of the settings, and return a sentence for each that the site lacks.

    Args:
        jira: Asks.
        seats: The settings.
        site: Name of the site in them.

    Raises:
        JiraError: Jira did not answer, or refused.
    """
    products = [role.key for role in await listed_products(jira, lambda: None)] if seats.products else []
    groups = [name for name in exempt_groups(seats, site) if not await group_ids(jira, name)]
    accounts = exempt_accounts(seats, site)
    known = set[str]()
    for start in range(0, len(accounts), _IDS):
        some = accounts[start : start + _IDS]
        page = await jira.read(MemberPage, USERS_BY_ID, query={"accountId": some, "maxResults": len(some)})
        known.update(person.known_id for person in page.values)
    return list(told(seats, products, groups, [one for one in accounts if one not in known]))


_IDS = 90
"""Accounts in one request: the URL gets no longer than any proxy takes (clients)."""
