"""All users: active, inactive and deleted ones, apps and portal customers; the account id is who they are."""

from collections.abc import AsyncIterator, Callable

import msgspec

from reconcile.client.endpoints import USERS
from reconcile.client.jira import JiraClient
from reconcile.client.paging import by_offset
from reconcile.shapes.each import each
from reconcile.shapes.people import PERSON, Person
from reconcile.shapes.products import UserPage

_PAGE = 1000
"""Users a page at most (OpenAPI file)."""


async def all_users(jira: JiraClient, unreadable: Callable[[], None]) -> AsyncIterator[list[Person]]:
    """Yield all users with an account id, each once. A hidden e-mail is no reason to leave anybody out.

    Pages are a bare array, may be short and have no particular order; only an empty one is the end.

    Args:
        jira: Asks.
        unreadable: Called for an element of unknown form.
    """

    async def ask(start: int) -> UserPage:
        query = {"startAt": start, "maxResults": _PAGE}
        return UserPage(values=await jira.read(list[msgspec.Raw], USERS, query=query))

    seen: set[str] = set()
    async for page in by_offset(USERS, ask, until_empty=True):
        fresh = {
            person.known_id: person
            for person in each(PERSON, page.values, unreadable)
            if person.known_id and person.known_id not in seen
        }
        seen.update(fresh)
        yield list(fresh.values())
