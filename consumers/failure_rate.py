"""The failure rate: when to stop instead of filling the dead letters.

One bad record is set aside. Many bad ones mean that something systematic is wrong, such as a release that cannot read
its own records: then stopping keeps the log as it is, to be read after the fix, where going on would drain it
into the dead letters.
"""

from collections import deque

from rollcall.errors import TooMuchPoisonError


class FailureRate:
    """The share of poison among the last records read.

    Args:
        window: How many records to look back.
        ratio: Share at which to stop.
    """

    def __init__(self, window: int, ratio: float) -> None:
        self._window = window
        self._ratio = ratio
        self._batches: deque[tuple[int, int]] = deque()
        self._seen = 0
        self._poison = 0

    def add(self, seen: int, poison: int, example: str = "") -> None:
        """Add a batch before its poison is set aside.

        Args:
            seen: Records of the batch.
            poison: How many of them are poison.
            example: One of them, where it stands and what is wrong with it.

        Raises:
            TooMuchPoisonError: With it the share is too large; the batch is not counted.
        """
        allowed = self._ratio * max(self._window, self._seen + seen)
        if self._poison + poison >= allowed:
            raise TooMuchPoisonError(
                f"{self._poison + poison} of the last {self._seen + seen} records cannot be read (limit "
                f"{self._ratio:.0%} of {max(self._window, self._seen + seen)}): something systematic is wrong. "
                f"Nothing was thrown away. The first: {example}. Mend the cause and start again"
            )
        self._batches.append((seen, poison))
        self._seen += seen
        self._poison += poison
        while self._batches and self._seen - self._batches[0][0] >= self._window:
            old_seen, old_poison = self._batches.popleft()
            self._seen -= old_seen
            self._poison -= old_poison
