"""Addresses that processes listen on."""


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
