"""The admin webhook endpoint, /rest/webhooks/1.0/webhook: not in Atlassian's OpenAPI file, known from clients."""

from typing import Any
from urllib.parse import urlsplit

from simulator.company.people import CALLER
from simulator.rest.answer import JiraError, missing
from simulator.rest.ask import Ask
from simulator.rest.filters import checked
from simulator.rest.registry import EVENTS, Webhook
from simulator.rest.scribe import RestScribe


def webhooks(ask: Ask, _scribe: RestScribe) -> list[dict[str, Any]]:
    """Answer GET: a bare array."""
    return [_written(ask, webhook) for webhook in ask.site.registry.webhooks.values()]


def webhook(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer GET …/{id}."""
    return _written(ask, _named(ask))


def create(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer POST: register a webhook. The secret is never shown again."""
    body = _body(ask)
    made = ask.site.registry.add(
        _text(body, "name"),
        _url(body),
        _events(body),
        str(body.get("secret") or ""),
        ask.site.clock.now(),
        filters=checked(ask.site, body.get("filters") or {}),
        exclude_body=bool(body.get("excludeBody")),
    )
    return _written(ask, made)


def update(ask: Ask, _scribe: RestScribe) -> dict[str, Any]:
    """Answer PUT …/{id}: what is not given stays, the secret too."""
    found, body = _named(ask), _body(ask)
    # All is read before anything is set: a refused change must change nothing.
    name = _text(body, "name") if "name" in body else found.name
    url = _url(body) if "url" in body else found.url
    events = _events(body) if "events" in body else found.events
    filters = checked(ask.site, body["filters"] or {}) if "filters" in body else found.filters
    found.name, found.url, found.events, found.filters = name, url, events, filters
    if "secret" in body:
        found.secret = str(body["secret"] or "")
    found.enabled = bool(body.get("enabled", found.enabled))
    found.exclude_body = bool(body.get("excludeBody", found.exclude_body))
    found.updated = ask.site.clock.now()
    return _written(ask, found)


def delete(ask: Ask, _scribe: RestScribe) -> None:
    """Answer DELETE …/{id}."""
    del ask.site.registry.webhooks[_named(ask).id]


def _named(ask: Ask) -> Webhook:
    number = ask.path["id"]
    found = ask.site.registry.webhooks.get(int(number)) if number.isdigit() else None
    if found is None:
        raise missing("The webhook does not exist.")
    return found


def _written(ask: Ask, webhook: Webhook) -> dict[str, Any]:
    owner = ask.site.directory.people[CALLER]
    return ask.site.registry.as_json(webhook, owner.account_id, owner.name)


def _body(ask: Ask) -> dict[str, Any]:
    if not isinstance(ask.body, dict):
        raise JiraError(400, "The request body must be a JSON object.")
    return ask.body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise JiraError(400, f"The '{name}' of a webhook is required.")
    return value


def _url(body: dict[str, Any]) -> str:
    url = _text(body, "url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port, or half an IPv6 address
        usable = False
    if not usable:
        raise JiraError(400, "The URL of a webhook must be http or https.")
    return url


def _events(body: dict[str, Any]) -> list[str]:
    events = body.get("events")
    if not isinstance(events, list):
        raise JiraError(400, "The 'events' of a webhook are required.")
    known = [str(event) for event in events if event in EVENTS]
    if not known and events:
        raise JiraError(400, f"Unknown webhook events: {', '.join(map(str, events))}")
    return known
