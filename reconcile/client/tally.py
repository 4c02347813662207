"""What a run cost: requests by endpoint, and waits by reason."""

from collections import Counter

import msgspec


class Tally(msgspec.Struct):
    """Requests sent (every try counts), and what was waited for, by why."""

    requests: Counter[str] = msgspec.field(default_factory=Counter)
    waits: Counter[str] = msgspec.field(default_factory=Counter)
    wait_seconds: dict[str, float] = {}

    def asked(self, endpoint: str) -> None:
        """Count a request."""
        self.requests[endpoint] += 1

    def waited(self, reason: str, seconds: float) -> None:
        """Count a wait."""
        self.waits[reason] += 1
        self.wait_seconds[reason] = self.wait_seconds.get(reason, 0.0) + seconds

    def add(self, earlier: "Tally") -> None:
        """Add what an earlier life of the run cost."""
        self.requests.update(earlier.requests)
        self.waits.update(earlier.waits)
        for reason, seconds in earlier.wait_seconds.items():
            self.wait_seconds[reason] = self.wait_seconds.get(reason, 0.0) + seconds
