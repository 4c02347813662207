"""What goes on beside the consumers: retention of the log, and its size and lag as metrics."""

import asyncio

from rollcall.errors import LogUnavailableError
from rollcall.eventlog import EventLog
from rollcall.logs import logger
from rollcall.metrics import LOG_BYTES, LOG_LAG, LOG_RECORDS
from rollcall.settings import Settings
from rollcall.topics import topics_of

log = logger(__name__)

_MEASURE_SECONDS = 5.0


async def measure(settings: Settings, event_log: EventLog) -> None:
    """Set the log's metrics, every few seconds, for ever."""
    while True:
        try:
            for topic in topics_of(settings).all():
                state = await event_log.state(topic.name)
                LOG_RECORDS.labels(topic.name).set(state.records)
                LOG_BYTES.labels(topic.name).set(state.bytes)
                for group, lag in state.lag.items():
                    LOG_LAG.labels(topic.name, group).set(lag)
        except LogUnavailableError as error:
            log.warning("log cannot be measured", cause=str(error))
        await asyncio.sleep(_MEASURE_SECONDS)


async def retain(settings: Settings, event_log: EventLog) -> None:
    """Remove what retention allows, now and then, for ever."""
    while True:
        await asyncio.sleep(settings.retention.every_seconds)
        try:
            if removed := await event_log.retain():
                log.info("old records removed from the log", records=removed)
        except LogUnavailableError as error:
            log.warning("old records stay on the log for now", cause=str(error))
