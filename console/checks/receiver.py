"""The check of what the running `up` or `ingest` took and refused of webhooks; its metrics tell."""

from collections.abc import AsyncIterator

from console.checks.finding import Finding
from console.received import Received, ask_received
from rollcall.settings import Settings

_SUBJECT = "webhooks received"


async def receiver_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask at `listen` what was taken and refused since the process began."""
    received = await ask_received(settings.listen, settings.metrics_secret())
    if received is None:
        yield Finding(
            _SUBJECT,
            True,
            f"no `up` or `ingest` answers at {settings.listen} (setting listen), so what it refused cannot be asked; "
            'its log has it as "webhook refused"',
        )
        return
    for refused in received.refused_lately(*settings.sites):
        to = f"to {refused.site}" if refused.site else "to no site of the settings"
        yield Finding(
            f"{_SUBJECT}: {refused.reason}",
            False,
            f"{refused.count} posts {to} were refused because {refused.meaning.cause}; the last one came at "
            f"{refused.last:%Y-%m-%d %H:%M:%S} UTC",
            refused.meaning.remedy,
        )
    for site in settings.sites:
        yield _last(received, site)


def _last(received: Received, site: str) -> Finding:
    subject = f"{site}: {_SUBJECT}"
    if site not in received.sites:
        return Finding(
            subject, False, "the running process does not know this site", "restart it: settings are read once"
        )
    last = received.last.get(site)
    if last is None:
        return Finding(subject, True, "none accepted since the process began")
    return Finding(subject, True, f"the last one was accepted at {last:%Y-%m-%d %H:%M:%S} UTC")
