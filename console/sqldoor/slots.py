"""How many queries run at once, and how many may wait for it."""

import asyncio

from console.sqldoor.limits import DoorLimits
from console.sqldoor.refusal import TOO_MANY_SIMULTANEOUS_QUERIES, refused


class Slots:
    """A bounded number of turns with a bounded queue before them; used from one event loop."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.concurrent)
        self._waiting = 0

    async def take(self) -> None:
        """Wait for a turn; give it back by `give_back`.

        Raises:
            DoorError: Too many wait already, or no turn came in time.
        """
        if self._turns.locked() and self._waiting >= self._limits.waiting:
            raise refused(TOO_MANY_SIMULTANEOUS_QUERIES, "Too many simultaneous queries, and too many that wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise refused(
                TOO_MANY_SIMULTANEOUS_QUERIES, f"Too many simultaneous queries. Maximum: {self._limits.concurrent}"
            ) from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """End a turn."""
        self._turns.release()
