"""What is left out of a directory: parts that could not be read, and what lists lack.

Accounts, products and projects that a list lacks are asked for by id or key, for they may be there all the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconcile.client.endpoints import APPLICATION_ROLE, PROJECTS, USERS_BY_ID
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError, NotThereError
from reconcile.client.paging import by_offset
from reconcile.responses import ApplicationRole, MemberPage, Person, ProjectPage

_IDS = 90
"""Accounts in one request: the URL gets no longer than any proxy takes (clients)."""
MOST_BY_ID = 20 * _IDS
"""Accounts that a run asks for."""

Tell = Callable[[int, JiraError], None]
"""Hears how many could not be asked for, and why."""


class Gaps:
    """The parts of a directory that a run could not read, which stay as an earlier snapshot has them.

    A part that fails costs only itself. Only a refusal of the account itself ends the whole.

    Attributes:
        lacks: The parts, each once, named as in `rollcall.records.SnapshotComplete`.
        told: What to tell people, by the part it is about.
        error: What the first of them failed with; None when nothing did.
    """

    def __init__(self) -> None:
        self.lacks: list[str] = []
        self.told: dict[str, str] = {}
        self.error: JiraError | None = None

    def add(self, part: str, words: str = "") -> None:
        """Add a part, with words unless others tell of it too; the first words about a part stand."""
        if part not in self.lacks:
            self.lacks.append(part)
        if words:
            self.told.setdefault(part, words)

    @contextmanager
    def reading(self, part: str, what: str, *also: str) -> Iterator[None]:
        """Add the part, and what goes with it, if the block fails to read it.

        Args:
            part: The part.
            what: The same for people.
            also: Parts that are not whole without it.

        Raises:
            AccountRefusedError: Jira refuses the account itself.
        """
        try:
            yield
        except AccountRefusedError:
            raise
        except JiraError as error:
            self.error = self.error or error
            self.add(part, f"{what}: {error}")
            for other in also:
                self.add(other)


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
    total = 0

    async def ask(start: int) -> MemberPage:
        nonlocal total
        query: dict[str, str | int | bool | list[str]] = {"accountId": ids, "startAt": start, "maxResults": len(ids)}
        page = await jira.read(MemberPage, USERS_BY_ID, query=query)
        total = page.total or 0
        return page

    try:
        people = [person async for page in by_offset(USERS_BY_ID, ask) for person in page.values]
    except NotThereError:
        return {}
    if len(people) < total < len(ids):  # whether whom Jira does not know counts is not documented
        raise JiraRefusedError(f"{USERS_BY_ID.name}: Jira counts {total} accounts and names {len(people)}")
    return {person.known_id: person for person in people if person.is_active and person.known_id in ids}


async def product_of_key(jira: JiraClient, key: str) -> ApplicationRole | None:
    """Return a product that Jira does not list, as it knows it by its key; None where it does not.

    Raises:
        JiraError: Jira did not answer, or refused.
    """
    try:
        role = await jira.read(ApplicationRole, APPLICATION_ROLE, key)
    except NotThereError:
        return None
    if role.key != key:
        raise JiraRefusedError(f"{APPLICATION_ROLE.name}: Jira answers with another product")
    return role


async def project_is_listed(jira: JiraClient, key: str) -> bool:
    """Return whether Jira lists a project now whose roles are not there; so it is held where Jira does not say.

    Raises:
        AccountRefusedError: Jira refuses the account itself.
    """
    try:
        page = await jira.read(ProjectPage, PROJECTS, query={"keys": key})
    except AccountRefusedError:
        raise
    except JiraError:
        return True
    return any(project.key == key for project in page.values)
