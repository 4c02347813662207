"""Admin webhooks at a Jira site.

Atlassian's webhooks page describes this API; the OpenAPI file does not have it, and whether it works through the
gateway or for tokens with scopes is not known. Registering by hand (System > WebHooks) always works.
"""

from dataclasses import dataclass, field

import msgspec

from reconcile.client.endpoints import REGISTER_WEBHOOK, REMOVE_WEBHOOK, WEBHOOKS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraRefusedError, NotThereError
from reconcile.client.paging import id_of_link
from rollcall.jira.events import REGISTERED
from rollcall.jira.values import ABSENT, TEXT, decode_json, read_or_none


@dataclass(frozen=True, slots=True)
class AdminWebhook:
    """A registered admin webhook.

    Attributes:
        id: The number that ends its ``self`` (clients; Jira gives no other); empty where Jira does not say it.
        name: What Jira's page shows.
        url: Where it posts.
        events: Names of the events that it sends.
        jql: Only issues that match; empty for all.
        enabled: Whether it is switched on.
        exclude_body: Whether it sends no body.
        is_signed: Whether it has a secret, which Jira never shows; None where Jira does not say.
    """

    id: str = ""
    name: str = ""
    url: str = ""
    events: list[str] = field(default_factory=list)
    jql: str = ""
    enabled: bool = True
    exclude_body: bool = False
    is_signed: bool | None = None


_JQL_SECTION = "issue-related-events-section"

BY_HAND = (
    "by hand: in Jira, System > WebHooks > Create, with the events of issues, comments and worklogs, JSON body "
    "included, and the secret from webhook_secrets"
)


class _Parts(msgspec.Struct, rename="camel", frozen=True):
    self_: msgspec.Raw = msgspec.field(name="self", default=ABSENT)
    name: msgspec.Raw = ABSENT
    url: msgspec.Raw = ABSENT
    events: msgspec.Raw = ABSENT
    filters: msgspec.Raw = ABSENT
    enabled: msgspec.Raw = ABSENT
    exclude_body: msgspec.Raw = ABSENT
    is_signed: msgspec.Raw = ABSENT


_PARTS = msgspec.json.Decoder(_Parts)
_EVENTS = msgspec.json.Decoder(list[str])
_FILTERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_YES_OR_NO = msgspec.json.Decoder(bool)


def read_webhook(answer: bytes) -> AdminWebhook | None:
    """Read a webhook as Jira describes it; None when that is no object.

    No page of Atlassian's says how: what it lacks or has in another form is as if it were not there.
    """
    try:
        parts = decode_json(_PARTS, answer)
    except (ValueError, RecursionError):
        return None
    filters = read_or_none(_FILTERS, parts.filters) or {}
    events = read_or_none(_EVENTS, parts.events)
    enabled = read_or_none(_YES_OR_NO, parts.enabled)
    return AdminWebhook(
        id_of_link(_text(parts.self_)),
        _text(parts.name),
        _text(parts.url),
        events or [],
        _text(filters.get(_JQL_SECTION, ABSENT)),
        enabled is not False,
        read_or_none(_YES_OR_NO, parts.exclude_body) or False,
        read_or_none(_YES_OR_NO, parts.is_signed),
    )


def _text(part: msgspec.Raw) -> str:
    text = read_or_none(TEXT, part)
    return text or ""


async def list_webhooks(jira: JiraClient) -> list[AdminWebhook]:
    """Return the registered admin webhooks.

    Raises:
        JiraRefusedError: Not allowed; it takes Administer Jira. The text names the way by hand.
        JiraUnavailableError: Jira did not answer.
    """
    try:
        elements = await jira.read(list[msgspec.Raw], WEBHOOKS)
    except JiraRefusedError as error:
        raise _with_the_way_by_hand(error) from error
    return [webhook for element in elements if (webhook := read_webhook(bytes(element)))]


async def register_webhook(jira: JiraClient, name: str, url: str, secret: str, jql: str) -> AdminWebhook | None:
    """Register an admin webhook for all events that Rollcall needs; None when Jira took it and does not say as what.

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
        "filters": {_JQL_SECTION: jql},
        "excludeBody": False,
    }
    if secret:
        body["secret"] = secret
    try:
        answer = await jira.ask(REGISTER_WEBHOOK, body=body)
    except JiraRefusedError as error:
        raise _with_the_way_by_hand(error) from error
    return read_webhook(answer)


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
