"""Who asks Jira: the account behind the token, by which answers differ."""

from dataclasses import dataclass

from reconcile.backfill.context import FeedPage
from reconcile.client.endpoints import MYSELF, SERVER_INFO, Endpoint
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import AccountRefusedError, JiraError, JiraRefusedError
from reconcile.responses import Myself, ServerInfo
from reconcile.state.watermark import basis_of
from rollcall.settings import Settings


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        basis: See `basis_of`; empty where it is not known.
        zone: Time zone of the account.
        first_page: Of the feed of touched worklogs, where that was asked first of all.
        probe: Asked whether Jira still answers at all.
        account_id: The account; empty where it is not known.
    """

    basis: str = ""
    zone: str | None = None
    first_page: FeedPage | None = None
    probe: Endpoint = MYSELF
    account_id: str = ""


def caller_of(settings: Settings, name: str, account: Myself) -> Caller:
    """Return who asks a site of this name in the settings."""
    return Caller(basis_of(settings, name, account), account.time_zone, account_id=account.account_id or "")


async def account_of(jira: JiraClient) -> Myself | JiraError:
    """Return who the account is, or why that cannot be told though Jira answers.

    Args:
        jira: Asks.

    Raises:
        JiraError: Jira does not take the account, or does not answer at all.
    """
    try:
        return await myself(jira)
    except AccountRefusedError:
        raise
    except JiraError as error:
        try:
            await jira.read(ServerInfo, SERVER_INFO, attempts=2)
        except JiraError:
            raise error from None
    try:  # what was answered so may have been a proxy's, in passing
        return await myself(jira, attempts=1)
    except AccountRefusedError:
        raise
    except JiraError as error:
        return error


async def myself(jira: JiraClient, attempts: int | None = None) -> Myself:
    """Return who the account is.

    Args:
        jira: Asks.
        attempts: How often; as for any request unless given.

    Raises:
        JiraError: Jira does not answer, or does not say.
    """
    found = await jira.read(Myself, MYSELF, attempts=attempts)
    if not found.account_id:
        raise JiraRefusedError(f"{MYSELF.name}: Jira does not say who the account is")
    return found
