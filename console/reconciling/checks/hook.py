"""Whether Jira posts its webhooks here: registered, enabled, signed, with all events."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from console.checks.finding import Finding
from reconcile.client.errors import JiraRefusedError
from reconcile.client.jira import JiraClient
from reconcile.shapes.site import AdminWebhook
from reconcile.webhooks import BY_HAND, EVENTS, JQL_SECTION, list_webhooks
from rollcall.settings import Settings


async def hook_findings(settings: Settings, name: str, jira: JiraClient) -> AsyncIterator[Finding]:
    """Look at the registrations that post to this site's address. Raises JiraUnavailableError."""
    subject = f"{name}: webhook"
    try:
        registered = await list_webhooks(jira)
    except JiraRefusedError as error:
        yield Finding(subject, False, f"cannot be looked at: {error}", "look in Jira, System > WebHooks")
        return
    ours = [one for one in registered if _is_ours(settings, name, one.url)]
    if not ours:
        yield Finding(
            subject,
            False,
            f"none of the {len(registered)} registered ones posts to /webhooks/{name}",
            f"`rollcall webhook register --site {name}`, or {BY_HAND}",
        )
        return
    for webhook in ours:
        yield _judged(settings, name, webhook)
    if len([one for one in ours if one.enabled]) > 1:
        yield Finding(subject, True, f"{len(ours)} post here; that does no harm, facts have one identity")


def _is_ours(settings: Settings, name: str, url: str) -> bool:
    """Tell whether a registration posts to this site's path, at the public address if one is set."""
    parts = urlsplit(url)
    public = urlsplit(settings.page.public_url)
    here = not public.hostname or parts.hostname == public.hostname
    return here and parts.path.rstrip("/").endswith(f"/webhooks/{name}")


def _judged(settings: Settings, name: str, webhook: AdminWebhook) -> Finding:
    subject = f"{name}: webhook {webhook.id}"
    again = f"edit it in Jira, or `rollcall webhook remove {webhook.id}` and register it anew"
    lacking = [event for event in EVENTS if event not in webhook.events]
    if not webhook.enabled:
        return Finding(subject, False, "is switched off", "enable it in Jira, System > WebHooks")
    if lacking:
        return Finding(subject, False, f"lacks the events {', '.join(lacking)}", again)
    if webhook.exclude_body:
        return Finding(subject, False, "sends no body ('Exclude body' is on), so nothing can be learned from it", again)
    if webhook.is_signed is False and not settings.sites[name].unsigned:
        return Finding(subject, False, "is not signed, so its posts are answered 401", again)
    jql = (webhook.filters or {}).get(JQL_SECTION)
    limited = f"; only issues matching {jql!r}" if jql else ""
    return Finding(subject, True, f"posts to {webhook.url} with all events, signed{limited}")
