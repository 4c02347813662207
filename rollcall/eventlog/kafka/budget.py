"""How much may wait in memory for the brokers."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rollcall.errors import LogUnavailableError


class Budget:
    """Counts the bytes of records from the moment they are handed in until Kafka has them or refused them.

    A caller that gives up does not give its bytes back: the client keeps the records until they are delivered.
    """

    def __init__(self, limit: int) -> None:
        """Allow so many bytes; a single append may be larger when nothing else waits."""
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count bytes that are handed in.

        Raises:
            LogUnavailableError: Too much waits already.
        """
        if self.used and self.used + size > self._limit:
            raise LogUnavailableError(f"Kafka does not keep up: {self.used} bytes of records wait for it")
        self.used += size

    def give_back(self, size: int, deliveries: Sequence["asyncio.Future[Any]"]) -> None:
        """Stop counting the bytes once the last of the deliveries has ended, well or badly."""
        waiting = {delivery for delivery in deliveries if not delivery.done()}
        if not waiting:
            self.used -= size

        def ended(delivery: "asyncio.Future[Any]") -> None:
            waiting.discard(delivery)
            if not waiting:
                self.used -= size

        for delivery in list(waiting):
            delivery.add_done_callback(ended)
