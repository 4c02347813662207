"""How many dead letters are open: those that nobody has replayed yet."""

import asyncio

from console.letters.reading import read_letters
from rollcall.eventlog import EventLog, TopicState


class OpenLetters:
    """Counts open dead letters, reading them only when the topic changed: letters hold whole payloads.

    Args:
        event_log: The log.
        topic: Name of the dead-letter topic.
    """

    def __init__(self, event_log: EventLog, topic: str) -> None:
        self._log = event_log
        self._topic = topic
        self._counted: tuple[TopicState, int] | None = None
        self._turn = asyncio.Lock()

    async def count(self, state: TopicState) -> int:
        """Return the number of open letters, given how the topic stands. Raises LogUnavailableError."""
        if not state.records:
            return 0
        async with self._turn:
            if self._counted is None or self._counted[0] != state:
                self._counted = (state, len(await read_letters(self._log, self._topic)))
            return self._counted[1]
