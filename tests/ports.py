"""Ports of 127.0.0.1."""

import atexit
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_FIRST, _BLOCK, _BLOCKS = 20_000, 250, 48
"""Below the ports that outgoing connections are given, from 32768 on."""


@cache
def _own_ports() -> Iterator[int]:
    """The ports of a block that this process has for itself, as long as it lives; over and over, from a random one on.

    Looking whether a port is free is not enough: between the look and the server's start another process of tests,
    or the next call here, would be given the same one.
    """
    folder = Path(tempfile.gettempdir()) / f"rollcall-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for block in range(_BLOCKS):
        lock = (folder / str(block)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        atexit.register(lock.close)  # and so it stays open until then
        return _around(_FIRST + block * _BLOCK)
    raise RuntimeError(f"{_BLOCKS} processes of tests run at once; see {folder}")


def _around(first: int) -> Iterator[int]:
    at = random.SystemRandom().randrange(_BLOCK)
    while True:
        yield first + at
        at = (at + 1) % _BLOCK


def free_port() -> int:
    """A port that nobody listens on, and that no other test is given soon."""
    while True:
        port = next(_own_ports())
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    return [free_port() for _ in range(count)]


def answers(port: int) -> bool:
    """Whether something listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
