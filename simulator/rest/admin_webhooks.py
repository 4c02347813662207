"""The admin webhook endpoint, /rest/webhooks/1.0/webhook: not in Atlassian's OpenAPI file, known from clients.

With the JQL filter of a webhook: which of the site's issues it is about. Atlassian's webhook page: it filters events of
issues, comments, worklogs and attachments, not of issue links.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from simulator.company.person import CALLER
from simulator.hooks.registry import EVENTS, Webhook
from simulator.life.act import Issue
from simulator.rest.call import ApiCall
from simulator.rest.index import Row
from simulator.rest.jql import Names, names_of, parse
from simulator.rest.response import JiraError, not_found
from simulator.rest.rest_serializer import RestSerializer
from simulator.rest.site import Site

SECTION = "issue-related-events-section"
_NOTHING = -1


def checked_filters(site: Site, filters: Any) -> dict[str, str]:
    """Return the filters of a registration.

    Raises:
        JiraError: 400, they are not of the right form, or this site cannot follow them.
    """
    if not isinstance(filters, dict) or not all(isinstance(text, str) for text in filters.values()):
        raise JiraError(400, "The 'filters' of a webhook must map sections to JQL.")
    for section, jql in filters.items():
        if section != SECTION:
            raise JiraError(400, f"The filter section '{section}' does not exist.")
        if jql.strip():
            parse(jql, _names(site, site.clock.now()))
    return dict(filters)


def passes_filter(site: Site, webhook: Webhook, event: str, issue: Issue, at: int) -> bool:
    """Return whether a webhook wants an event about an issue as it stood ``at``, epoch ms."""
    jql = webhook.filters.get(SECTION, "").strip()
    if not jql or event.startswith("issuelink_"):
        return True
    row = Row(issue.id, issue.created, issue.updated, issue.project)
    return parse(jql, _names(site, at)).matches(row)


def _names(site: Site, at: int) -> Names:
    """Return names of which unknown ones stand for nothing: whether Jira refuses them in a filter is not known."""
    names = names_of(site, at)

    def known(resolve: Callable[[str], int | None]) -> Callable[[str], int]:
        return lambda text: _NOTHING if (found := resolve(text)) is None else found

    return replace(names, project=known(names.project), issue=known(names.issue))


def webhooks(call: ApiCall, _serializer: RestSerializer) -> list[dict[str, Any]]:
    """Answer GET: a bare array."""
    return [_written(call, webhook) for webhook in call.site.registry.webhooks.values()]


def webhook(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer GET …/{id}."""
    return _written(call, _named(call))


def create(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer POST: register a webhook. The secret is never shown again."""
    body = _body(call)
    made = call.site.registry.add(
        _text(body, "name"),
        _url(body),
        _events(body),
        str(body.get("secret") or ""),
        call.site.clock.now(),
        filters=checked_filters(call.site, body.get("filters") or {}),
        exclude_body=bool(body.get("excludeBody")),
    )
    return _written(call, made)


def update(call: ApiCall, _serializer: RestSerializer) -> dict[str, Any]:
    """Answer PUT …/{id}: what is not given stays, the secret too."""
    found, body = _named(call), _body(call)
    # All is read before anything is set: a refused change must change nothing.
    name = _text(body, "name") if "name" in body else found.name
    url = _url(body) if "url" in body else found.url
    events = _events(body) if "events" in body else found.events
    filters = checked_filters(call.site, body["filters"] or {}) if "filters" in body else found.filters
    found.name, found.url, found.events, found.filters = name, url, events, filters
    if "secret" in body:
        found.secret = str(body["secret"] or "")
    found.enabled = bool(body.get("enabled", found.enabled))
    found.exclude_body = bool(body.get("excludeBody", found.exclude_body))
    found.updated = call.site.clock.now()
    return _written(call, found)


def delete(call: ApiCall, _serializer: RestSerializer) -> None:
    """Answer DELETE …/{id}."""
    del call.site.registry.webhooks[_named(call).id]


def _named(call: ApiCall) -> Webhook:
    number = call.path["id"]
    found = call.site.registry.webhooks.get(int(number)) if number.isdigit() else None
    if found is None:
        raise not_found("The webhook does not exist.")
    return found


def _written(call: ApiCall, webhook: Webhook) -> dict[str, Any]:
    owner = call.site.directory.people[CALLER]
    return call.site.registry.as_json(webhook, owner.account_id, owner.name)


def _body(call: ApiCall) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise JiraError(400, "The request body must be a JSON object.")
    return call.body


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
