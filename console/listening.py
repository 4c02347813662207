"""What an address means for who can reach it."""

import ipaddress

from rollcall.settings import split_address


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach ``host:port``."""
    host, _ = split_address(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    """Return the host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
