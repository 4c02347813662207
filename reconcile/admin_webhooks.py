"""Admin webhooks at a Jira site.

Atlassian's webhooks page describes this API; the OpenAPI file does not have it, and whether it works through the
gateway or for tokens with scopes is not known. Registering by hand (System > WebHooks) always works.
"""

import msgspec

from reconcile.client.endpoints import REGISTER_WEBHOOK, REMOVE_WEBHOOK, WEBHOOKS
from reconcile.client.jira_client import JiraClient, decoded
from reconcile.client.jira_errors import JiraRefusedError, NotThereError
from reconcile.client.paging import id_of_link
from rollcall.jira.events import REGISTERED


class AdminWebhook(msgspec.Struct, rename="camel", frozen=True):
    """A registered admin webhook; ``isSigned`` says that there is a secret, which Jira never shows."""

    self_: str = msgspec.field(name="self", default="")
    name: str = ""
    url: str = ""
    events: list[str] = []
    filters: dict[str, str | None] | None = None
    enabled: bool = True
    exclude_body: bool = False
    is_signed: bool | None = None

    @property
    def id(self) -> str:
        """Its id: the number that ends ``self`` (clients; Jira gives no other)."""
        return id_of_link(self.self_)


JQL_SECTION = "issue-related-events-section"

BY_HAND = (
    "by hand: in Jira, System > WebHooks > Create, with the events of issues, comments and worklogs, JSON body "
    "included, and the secret from webhook_secrets"
)


async def list_webhooks(jira: JiraClient) -> list[AdminWebhook]:
    """Return the registered admin webhooks.

    Raises:
        JiraRefusedError: Not allowed; it takes Administer Jira. The text names the way by hand.
        JiraUnavailableError: Jira did not answer.
    """
    try:
        return await jira.read(list[AdminWebhook], WEBHOOKS)
    except JiraRefusedError as error:
        raise _with_the_way_by_hand(error) from error


async def register_webhook(jira: JiraClient, name: str, url: str, secret: str, jql: str) -> AdminWebhook:
    """Register an admin webhook for all events that Rollcall needs.

    Args:
        jira: Asks.
        name: What Jira's page shows.
        url: Where Jira posts; https with a trusted certificate.
        secret: Signs the posts; empty for none. Jira never shows it again.
        jql: Only issues that match; empty for all.

    Raises:
        JiraRefusedError, JiraUnavailableError: As `list_webhooks`.
    """
    body: dict[str, object] = {
        "name": name,
        "url": url,
        "events": list(REGISTERED),
        "filters": {JQL_SECTION: jql},
        "excludeBody": False,
    }
    if secret:
        body["secret"] = secret
    try:
        answer = await jira.ask(REGISTER_WEBHOOK, body=body)
    except JiraRefusedError as error:
        raise _with_the_way_by_hand(error) from error
    return decoded(AdminWebhook, REGISTER_WEBHOOK, answer)


async def remove_webhook(jira: JiraClient, webhook_id: str) -> None:
    """Remove an admin webhook. Raises as `list_webhooks`; NotThereError when there is none of this id."""
    try:
        await jira.ask(REMOVE_WEBHOOK, webhook_id)
    except NotThereError:
        raise
    except JiraRefusedError as error:
        raise _with_the_way_by_hand(error) from error


def _with_the_way_by_hand(error: JiraRefusedError) -> JiraRefusedError:
    return type(error)(f"{error}. Or {BY_HAND}", error.status)
