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
    """Set the log's metrics, every few seconds, for ever; they are absent while the log cannot be measured."""
    while True:
        try:
            await _measure(settings, event_log)
        except LogUnavailableError as error:
            _unmeasured()
            log.warning("log cannot be measured", cause=str(error))
        except Exception:  # of ours: the next round may fare better, and nobody else watches this one
            _unmeasured()
            log.exception("measuring the log failed; please report it")
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
        except Exception:  # of ours, as above
            log.exception("removing old records from the log failed; please report it")


async def _measure(settings: Settings, event_log: EventLog) -> None:
    for topic in topics_of(settings).all():
        state = await event_log.state(topic.name)
        LOG_RECORDS.labels(topic.name).set(state.records)
        LOG_BYTES.labels(topic.name).set(state.bytes)
        for group, lag in state.lag.items():
            LOG_LAG.labels(topic.name, group).set(lag)


def _unmeasured() -> None:
    """Remove the series: an old value would look like a measured one, and NaN spoils the sums of those that ask."""
    for metric in (LOG_RECORDS, LOG_BYTES, LOG_LAG):
        metric.clear()
