"""What Jira Cloud keeps for each URL host of a tenant, whatever number of webhooks go there, and its rules of retry.

Its webhook page and vendors' guides: 20 Primary and 10 Secondary deliveries in flight, and how long the host has been
failing. Atlassian's webhook page and staff posts: 408, 409, 425, 429, 5xx and failed connections are retried up to five
times, each 5 to 15 minutes after the one before; every other 4xx is dropped. After about 30 minutes of unbroken
failure a host gets one attempt for each webhook until one succeeds.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from simulator.chance import share

RETRIES = 5
SHORTEST_S, LONGEST_S = 300.0, 900.0
FAILING_S = 1_800.0
PRIMARY, SECONDARY = 20, 10
"""Deliveries in flight to one host, by flow."""

_RETRIED = frozenset({408, 409, 425, 429})


def succeeded(status: int) -> bool:
    """Return whether an answer means the webhook has arrived."""
    return 200 <= status < 300


def retriable(status: int) -> bool:
    """Return whether Jira tries again after this status; 0 stands for a failed or timed-out connection."""
    return status == 0 or status in _RETRIED or status >= 500


def retry_delay(number: int, retry: int) -> float:
    """Return the simulated seconds before this retry (1 to 5); Retry-After is not honored."""
    return SHORTEST_S + share(number, retry, 71) * (LONGEST_S - SHORTEST_S)


class HostHealth:
    """Remembers how long a host has been failing without a break."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin well. ``now`` gives simulated seconds."""
        self._now = now
        self._failing_since: float | None = None

    def answered(self) -> None:
        """Note a success: the host is well again."""
        self._failing_since = None

    def failed(self) -> None:
        """Note a failure that Jira would retry."""
        if self._failing_since is None:
            self._failing_since = self._now()

    @property
    def given_up(self) -> bool:
        """Whether webhooks to this host get a single attempt now."""
        return self._failing_since is not None and self._now() - self._failing_since >= FAILING_S


class Host:
    """One host: its places for deliveries in flight, by flow, and its health."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin idle and well. ``now`` gives simulated seconds."""
        self.places = {"Primary": asyncio.Semaphore(PRIMARY), "Secondary": asyncio.Semaphore(SECONDARY)}
        self.health = HostHealth(now)


class Hosts:
    """The hosts of one site. A host is a name with its port: on one machine only ports distinguish receivers."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin without any. ``now`` gives simulated seconds."""
        self._now = now
        self._known: dict[str, Host] = {}

    def of(self, url: str) -> Host:
        """Return the host of a URL."""
        name = urlsplit(url).netloc.rpartition("@")[2].lower()
        if name not in self._known:
            self._known[name] = Host(self._now)
        return self._known[name]
