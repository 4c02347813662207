"""The address of a Jira site or of Atlassian's gateway, to which a token is sent."""

import re
from urllib.parse import SplitResult, urlsplit

import httpx

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")
_CLOUD_SITE = re.compile(r"/ex/jira/[0-9a-fA-F-]{8,64}", re.ASCII)
"""Path of a site behind the gateway, with its cloud id (Atlassian's support page on scoped tokens)."""


def checked_origin(value: str) -> str:
    """Return an address without the slash that ends it.

    Raises:
        ValueError: It is no https address (or plain http one on loopback), or has more than host and path.
    """
    if _NO_URL.search(value):
        raise ValueError("must not hold blanks or control characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL: a port is from 1 to 65535, and brackets hold an IPv6 address") from None
    if not parts.hostname or not (parts.scheme == "https" or _plain_to_loopback(parts)):
        raise ValueError("must be https://… (plain http only to a loopback address)")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("is no URL: a port is from 1 to 65535")
    try:
        # The two ways in which it is looked up: by the HTTP client, and by the system's resolver.
        httpx.URL(value).raw_host.decode().encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError("is no URL: its host is no name that can be looked up") from None
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("must not hold a user, a query or a fragment")
    return value.rstrip("/")


def checked_site_url(value: str) -> str:
    """Return the address of a site, or of one behind the gateway.

    Raises:
        ValueError: As `checked_origin`, or it has another path than the gateway's.
    """
    origin = checked_origin(value)
    path = urlsplit(origin).path
    if path and not _CLOUD_SITE.fullmatch(path):
        raise ValueError(
            "must not have a path: write https://HOST alone, such as https://acme.atlassian.net (or the gateway's "
            "address, https://api.atlassian.com/ex/jira/CLOUD_ID)"
        )
    return origin


def _plain_to_loopback(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in _LOOPBACK
