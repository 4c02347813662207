"""What Jira Cloud keeps for each URL host of a tenant, whatever number of webhooks go there.

Its webhook page and vendors' guides: 20 Primary and 10 Secondary deliveries in flight, and how long the host has been
failing.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from simulator.sender.rules import PRIMARY, SECONDARY, HostHealth


class Host:
    """One host: its places for deliveries in flight, by flow, and its health."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin idle and well. ``now`` gives simulated seconds."""
        self.places = {"Primary": asyncio.Semaphore(PRIMARY), "Secondary": asyncio.Semaphore(SECONDARY)}
        self.health = HostHealth(now)


class Hosts:
    """The hosts of one site. A host is a name with its port, because on one machine only ports tell receivers apart."""

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
