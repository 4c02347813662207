"""All checks of all sites, one after the other."""

from collections.abc import AsyncIterator

from console.checks.finding import Finding
from console.reconciling.checks.access import access_findings
from console.reconciling.checks.hook import hook_findings
from console.reconciling.checks.identity import identity_finding
from reconcile.client.connecting import connected, credentials
from reconcile.client.endpoints import MYSELF
from reconcile.shapes.site import Myself
from rollcall.errors import RollcallError
from rollcall.settings import Settings


async def jira_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask every site about token, permissions, projects, clock, time zone, webhook and the identity of facts."""
    for name in settings.sites:
        async for finding in _site(settings, name):
            yield finding


async def _site(settings: Settings, name: str) -> AsyncIterator[Finding]:
    site = settings.sites[name]
    if not credentials(name, site):
        yield Finding(
            f"{name}: API token",
            False,
            "there is none, so Jira cannot be asked what webhooks missed, nor who is licensed",
            "set email and api_token_file of the site",
        )
        return
    try:
        async with connected(name, site, settings.reconcile) as jira:
            myself = await jira.read(Myself, MYSELF)
            async for finding in access_findings(name, jira, myself):
                yield finding
            async for finding in hook_findings(settings, name, jira):
                yield finding
            yield await identity_finding(settings, name, jira)
    except RollcallError as error:
        yield Finding(f"{name}: Jira", False, str(error), "mend this first; the other checks need it")
