"""Wait until consumers elsewhere have written what is on the log now, also while more pours in."""

import asyncio
import time
from collections.abc import Sequence

from rollcall.eventlog import EventLog, TopicState
from rollcall.topics import WAREHOUSE_GROUP

_PAUSE = 0.25


async def wait_until_written(event_log: EventLog, topics: Sequence[str], patience: float) -> int:
    """Wait until the warehouse's consumers are past what is on these topics at the call.

    Args:
        event_log: The log.
        topics: Names of its topics.
        patience: Seconds without any progress after which to give up.

    Returns:
        How many records are still unwritten; 0 when all went well.

    Raises:
        LogUnavailableError: The log cannot be asked.
    """
    left = 0
    for topic in topics:
        left += await _wait(event_log, topic, patience)
    return left


async def _wait(event_log: EventLog, topic: str, patience: float) -> int:
    begin = await event_log.state(topic)
    todo = _lag(begin)
    written, moved = 0, time.monotonic()
    while todo > 0:
        state = await event_log.state(topic)
        lag = _lag(state)
        if lag == 0:
            return 0
        # How far the consumer came since: what there is less what it lacks, beside the same at the beginning.
        # Retention may take records away in between, which only makes this figure smaller.
        now = (state.records - lag) - (begin.records - todo)
        if now >= todo:
            return 0
        if now > written:
            written, moved = now, time.monotonic()
        elif time.monotonic() - moved > patience:
            return todo - written
        await asyncio.sleep(_PAUSE)
    return 0


def _lag(state: TopicState) -> int:
    return state.lag.get(WAREHOUSE_GROUP, state.records)
