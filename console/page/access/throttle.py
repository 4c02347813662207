"""A limit on guesses at the password."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

MOST_FAILURES = 10
WINDOW_SECONDS = 300.0
_MOST_CLIENTS = 10_000


class Throttle:
    """Counts failures by client: after ten within five minutes the client waits.

    A client is an address, of IPv6 the /64 it is in. Behind a proxy all viewers are one client, because nobody can
    tell a true X-Forwarded-For from a false one; guesses are then limited for all of them together.

    Args:
        clock: Seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return for how many seconds a client has to wait before it may try; 0 when it may now."""
        now = self._clock()
        recent = [moment for moment in self._failures.get(_client(address), []) if moment > now - WINDOW_SECONDS]
        return max(1, round(recent[0] + WINDOW_SECONDS - now)) if len(recent) >= MOST_FAILURES else 0

    def failed(self, address: str) -> None:
        """Remember a failure."""
        client = _client(address)
        self._failures[client] = [*self._failures.pop(client, []), self._clock()][-MOST_FAILURES:]
        while len(self._failures) > _MOST_CLIENTS:
            self._failures.popitem(last=False)


def _client(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}/64")
    return str(parsed)
