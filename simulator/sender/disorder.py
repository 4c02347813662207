"""What a network does to an orderly stream: some lost, some twice, some late; within bounds, and repeatable."""

import heapq
from collections.abc import Callable, Iterator

import msgspec

from simulator.chance import share
from simulator.hooks.delivery import Delivery


class Disorder(msgspec.Struct, frozen=True, kw_only=True):
    """How much disorder.

    Attributes:
        loss: Share of deliveries that Jira never sends.
        duplicates: Share that is sent twice, both with one identifier.
        window: A delivery comes at most this many places late.
        salt: Other numbers draw other victims.
    """

    loss: float = 0.0
    duplicates: float = 0.0
    window: int = 0
    salt: int = 0


class Parcel(msgspec.Struct):
    """A delivery on its way. ``twin`` marks both of a pair, ``tries`` counts attempts made."""

    delivery: Delivery
    twin: bool = False
    tries: int = 0


class Shuffle:
    """Lets deliveries through in disorder; holds back at most ``window`` of them and their copies."""

    def __init__(self, disorder: Disorder, lose: Callable[[Delivery], None]) -> None:
        """Begin empty. ``lose`` is told of each delivery that never comes out."""
        self._disorder = disorder
        self._lose = lose
        self._held: list[tuple[float, int, Parcel]] = []
        self._place = 0

    def push(self, delivery: Delivery) -> Iterator[Parcel]:
        """Put one in, and yield those that come out now."""
        salt, window, number = self._disorder.salt, self._disorder.window, delivery.number
        if share(number, salt, 1) < self._disorder.loss:
            self._lose(delivery)
            return
        twin = share(number, salt, 3) < self._disorder.duplicates
        self._hold(share(number, salt, 2) * window, Parcel(delivery, twin))
        if twin:
            self._hold(share(number, salt, 4) * window, Parcel(delivery, twin))
        while self._held and self._held[0][0] < self._place:
            yield heapq.heappop(self._held)[2]

    def flush(self) -> Iterator[Parcel]:
        """Yield what is still inside."""
        while self._held:
            yield heapq.heappop(self._held)[2]

    def _hold(self, late: float, parcel: Parcel) -> None:
        heapq.heappush(self._held, (self._place + late, self._place, parcel))
        self._place += 1
