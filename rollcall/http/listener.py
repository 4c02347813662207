"""Where HTTP is listened: ``host:port``, what that means for who can reach it, and the socket."""

import ipaddress
import os
import socket

from rollcall.errors import SettingsError


def split_address(address: str) -> tuple[str, int]:
    """Split ``host:port`` (IPv6 in brackets) into host and port.

    Raises:
        ValueError: It is no such address.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address: write host:port, such as 127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def checked_address(address: str) -> str:
    """Return an address as it is. Raises ValueError when it is none."""
    split_address(address)
    return address


def optional_address(address: str) -> str:
    """Return an address as it is; empty stands for not listening. Raises ValueError when it is none."""
    return checked_address(address) if address else address


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach ``host:port``."""
    host, _ = split_address(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_host(host: str) -> str:
    """Return the host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def listen(address: str, setting: str) -> socket.socket:
    """Return a socket that listens on ``host:port``. Raises SettingsError, naming the setting, where it cannot."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot listen on {address} ({os.strerror(error.errno or 0)}); "
            "choose another address, or stop what uses this one"
        ) from None
    # Connections inherit it: else an answer in two pieces waits for the other side's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
