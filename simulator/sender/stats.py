"""What became of the deliveries."""

from typing import Any

from simulator.chance import uuid
from simulator.hooks.delivery import Delivery


class Stats:
    """Counts attempts and outcomes, and remembers every delivery that did not arrive.

    Memory grows with what was lost, which is the report, and with nothing else: of a delivery sent twice something is
    kept only from the end of one of the two to the end of the other.

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
        self._halves: dict[int, bool] = {}

    def attempted(self, status: int, *, retry: bool) -> None:
        """Count one attempt."""
        self.sent += 1
        self.retried += retry
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def arrived(self, delivery: Delivery, *, twin: bool = False) -> None:
        """Count an arrival. ``twin`` says that the delivery is one of two that are the same."""
        self.delivered += 1
        if twin:
            self._settle(delivery.number, arrived=True)

    def lose(self, delivery: Delivery, reason: str, *, twin: bool = False) -> None:
        """Remember a delivery that will not arrive; one of a pair is lost when both are."""
        if not twin or self._settle(delivery.number, arrived=False) is False:
            self._lost[delivery.number] = (delivery.event, reason, delivery.keys)

    def _settle(self, number: int, *, arrived: bool) -> bool | None:
        """Note how one of a pair has ended; returns how the other has, None while it is under way."""
        other = self._halves.pop(number, None)
        if other is None:
            self._halves[number] = arrived
        return other

    @property
    def half_known(self) -> int:
        """How many pairs have one of the two still under way."""
        return len(self._halves)

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
