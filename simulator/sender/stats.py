"""What became of the deliveries."""

from typing import Any

from simulator.chance import uuid
from simulator.hooks.delivery import Delivery


class Stats:
    """Counts attempts and outcomes, and remembers every delivery that did not arrive.

    Attributes:
        sent: Attempts made, first ones and retries.
        delivered: Deliveries answered 2xx; a delivery sent twice counts twice.
        retried: Attempts that were retries.
        statuses: Answers by status; 0 for failed connections.
    """

    def __init__(self, registration: int = 0) -> None:
        """Begin at zero, for the webhook registration of this number."""
        self.registration = registration
        self.sent = self.delivered = self.retried = 0
        self.statuses: dict[int, int] = {}
        self._lost: dict[int, tuple[str, str, tuple[str, ...]]] = {}
        self._copies: set[int] = set()

    def attempted(self, status: int, *, retry: bool) -> None:
        """Count one attempt."""
        self.sent += 1
        self.retried += retry
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def arrived(self, delivery: Delivery, *, copy: bool) -> None:
        """Count an arrival; whatever was lost of the same delivery is not lost any more."""
        self.delivered += 1
        self._lost.pop(delivery.number, None)
        if copy:
            self._copies.add(delivery.number)

    def lose(self, delivery: Delivery, reason: str, *, copy: bool = False) -> None:
        """Remember a delivery that will not arrive, unless its copy did."""
        if not copy and delivery.number not in self._copies:
            self._lost[delivery.number] = (delivery.event, reason, delivery.keys)

    @property
    def lost_keys(self) -> set[str]:
        """The facts, by event_key, that no webhook has brought."""
        return {key for _, _, keys in self._lost.values() for key in keys}

    def as_json(self) -> dict[str, Any]:
        """Return all of it as one JSON object; ``lost`` lists identifier, event, reason and facts."""
        lost = [
            {"identifier": uuid(number, self.registration), "event": event, "reason": reason, "keys": list(keys)}
            for number, (event, reason, keys) in self._lost.items()
        ]
        counts = {"sent": self.sent, "delivered": self.delivered, "retried": self.retried}
        return {**counts, "statuses": {str(k): v for k, v in sorted(self.statuses.items())}, "lost": lost}
