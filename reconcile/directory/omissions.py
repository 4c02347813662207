"""Accounts that Jira's list of users leaves out, asked for by their ids: it may know them all the same."""

from collections.abc import Callable

from reconcile.client.endpoints import USERS_BY_ID
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, NotThereError
from reconcile.client.paging import by_offset
from reconcile.responses import MemberPage, Person

_IDS = 90
"""Accounts in one request: the URL gets no longer than any proxy takes (clients)."""
MOST_BY_ID = 20 * _IDS
"""Accounts that a run asks for."""

Tell = Callable[[int, JiraError], None]
"""Hears how many could not be asked for, and why."""


async def accounts_by_id(jira: JiraClient, accounts: list[str], tell: Tell) -> dict[str, Person]:
    """Return those of these accounts that Jira knows and that are active, by their ids; whom it does not know is gone.

    Args:
        jira: Asks.
        accounts: Their ids; no more than `MOST_BY_ID` of them are asked for.
        tell: Called where Jira does not answer.

    Raises:
        AccountRefusedError: Jira refuses the account itself.
    """
    found: dict[str, Person] = {}
    for start in range(0, min(len(accounts), MOST_BY_ID), _IDS):
        try:
            found |= await _active_of(jira, accounts[start : start + _IDS])
        except AccountRefusedError:
            raise
        except JiraError as error:
            tell(len(accounts) - start, error)
            break
    return found


async def _active_of(jira: JiraClient, ids: list[str]) -> dict[str, Person]:
    async def ask(start: int) -> MemberPage:
        query: dict[str, str | int | bool | list[str]] = {"accountId": ids, "startAt": start, "maxResults": len(ids)}
        return await jira.read(MemberPage, USERS_BY_ID, query=query)

    try:
        people = [person async for page in by_offset(USERS_BY_ID, ask) for person in page.values]
    except NotThereError:
        return {}
    return {person.known_id: person for person in people if person.is_active and person.known_id in ids}
