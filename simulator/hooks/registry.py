"""The admin webhooks registered at the site, with the secret that Jira never gives back, as targets of a sender.

A target is read anew for every attempt, so that a changed registration counts at once.
"""

from typing import Any, Protocol

import msgspec


class Target(Protocol):
    """A URL, the key of the signature (empty for none), and whether the body is left out."""

    @property
    def url(self) -> str:
        """Where to post."""

    @property
    def secret(self) -> str:
        """Key of the signature; empty for none."""

    @property
    def exclude_body(self) -> bool:
        """Whether no JSON is sent."""


class FixedTarget(msgspec.Struct, frozen=True):
    """A target that stays as it is."""

    url: str
    secret: str = ""
    exclude_body: bool = False


EVENTS = tuple(
    [f"jira:issue_{done}" for done in ("created", "updated", "deleted")]
    + [f"{thing}_{done}" for thing in ("comment", "worklog") for done in ("created", "updated", "deleted")]
    + ["attachment_created", "attachment_deleted", "issuelink_created", "issuelink_deleted"]
)
"""The events this site sends, out of all that Jira Cloud knows."""


class Webhook(msgspec.Struct, kw_only=True):
    """A registration. An empty list of events means none, as in Jira."""

    id: int
    name: str
    url: str
    events: list[str]
    filters: dict[str, str] = {}
    exclude_body: bool = False
    enabled: bool = True
    secret: str = ""
    updated: int = 0


class Registry:
    """The registrations of one site."""

    def __init__(self, host: str) -> None:
        """Begin without any."""
        self._host = host
        self._made = 0
        self.webhooks: dict[int, Webhook] = {}

    def add(self, name: str, url: str, events: list[str], secret: str = "", now: int = 0, **more: Any) -> Webhook:
        """Register a webhook and return it."""
        self._made += 1
        made = Webhook(id=self._made, name=name, url=url, events=events, secret=secret, updated=now, **more)
        self.webhooks[made.id] = made
        return made

    def as_json(self, webhook: Webhook, owner: str, owner_name: str) -> dict[str, Any]:
        """Return a registration as Jira shows it: whether there is a secret, never which."""
        return {
            "name": webhook.name,
            "url": webhook.url,
            "excludeBody": webhook.exclude_body,
            "filters": webhook.filters,
            "events": webhook.events,
            "enabled": webhook.enabled,
            "self": f"https://{self._host}/rest/webhooks/1.0/webhook/{webhook.id}",
            "lastUpdatedUser": owner,
            "lastUpdatedDisplayName": owner_name,
            "lastUpdated": webhook.updated,
            "isSigned": bool(webhook.secret),
        }
