"""From a site's settings to a client: the address, the credentials, and the gateway's cloud id."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import msgspec

from reconcile.client.endpoints import TENANT_INFO
from reconcile.client.errors import JiraRefusedError
from reconcile.client.jira import JiraClient, Limits
from reconcile.client.patience import Patience
from rollcall import __version__
from rollcall.errors import SettingsError
from rollcall.settings import ReconcileSettings, SiteSettings

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_CLOUD_ID = re.compile(r"[0-9a-fA-F-]{8,64}", re.ASCII)


class _Tenant(msgspec.Struct, rename="camel"):
    cloud_id: str


def limits_of(settings: ReconcileSettings) -> Limits:
    """Return the client's limits as the settings have them."""
    return Limits(settings.concurrency, settings.attempts, settings.wait_max, Patience.of(settings))


def credentials(name: str, site: SiteSettings) -> tuple[str, str] | None:
    """Return a site's e-mail and API token; None when its settings have none.

    Args:
        name: Name of the site in the settings, for the error.
        site: Its settings.

    Raises:
        SettingsError: The token's file cannot be read, or is empty.
    """
    try:
        token = site.token()
    except ValueError as error:
        raise SettingsError(f"sites.{name}.{error}") from None
    return (site.email, token) if site.email and token else None


@asynccontextmanager
async def connected(
    name: str,
    site: SiteSettings,
    settings: ReconcileSettings,
    limits: Limits | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[JiraClient]:
    """Open a client for a site.

    Args:
        name: Name of the site in the settings, for errors.
        site: Its settings.
        settings: How to ask.
        limits: In place of those in the settings.
        transport: In place of the network.

    Raises:
        SettingsError: The settings have no e-mail or no API token, or no client can be made as they say.
        JiraError: A scoped token needs the site's cloud id, and the site does not give it.
    """
    given = credentials(name, site)
    if not given:
        raise SettingsError(
            f"sites.{name}: to ask Jira's REST API, set email and api_token_file (an API token of that account, "
            "from id.atlassian.com)"
        )
    limits = limits or limits_of(settings)
    base = site.url
    if site.scoped_token and "/ex/jira/" not in base:
        async with _http(base, settings, None, transport) as stranger:
            base = await _gateway(JiraClient(stranger, replace(limits, attempts=min(limits.attempts, 4))), settings)
    async with _http(base, settings, given, transport) as http:
        yield JiraClient(http, limits, secret=given[1])


async def _gateway(stranger: JiraClient, settings: ReconcileSettings) -> str:
    cloud_id = (await stranger.read(_Tenant, TENANT_INFO)).cloud_id
    if not _CLOUD_ID.fullmatch(cloud_id):
        raise JiraRefusedError("the site's cloud id has an unknown form; write the gateway's address into url instead")
    return f"{settings.gateway_url.rstrip('/')}/ex/jira/{cloud_id}"


def _http(
    base: str,
    settings: ReconcileSettings,
    auth: tuple[str, str] | None,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    loopback = urlsplit(base).hostname in _LOOPBACK
    try:
        return httpx.AsyncClient(
            base_url=base,
            auth=auth,
            headers={"accept": "application/json", "user-agent": f"rollcall/{__version__}"},
            timeout=httpx.Timeout(settings.timeout, connect=min(15.0, settings.timeout)),
            limits=httpx.Limits(max_connections=settings.concurrency),
            follow_redirects=False,
            trust_env=not loopback,
            transport=transport,
        )
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        # Only the kind: a proxy's address may hold a password.
        raise SettingsError(
            f"{base} cannot be asked ({type(error).__name__}): check that address and the environment's HTTPS_PROXY, "
            "ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None
