"""Whether a proxy or tunnel forwarded a request: through one on this machine the whole world looks local."""

from collections.abc import Mapping

_PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Return whether a request's headers (whose names are looked up in any case) are those of one passed on."""
    return any(name in headers for name in _PROXY_HEADERS)
