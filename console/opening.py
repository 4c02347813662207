"""Open what a process stands on, and close it in the right order whatever happens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollcall.eventlog import EventLog, open_log
from rollcall.settings import Settings
from rollcall.topics import topics_of
from rollcall.warehouse import Warehouse, open_warehouse


@asynccontextmanager
async def opened_log(settings: Settings) -> AsyncIterator[EventLog]:
    """Open the event log. Raises SettingsError or LogUnavailableError."""
    event_log = await open_log(settings.log_url, topics_of(settings).all(), settings.kafka)
    try:
        yield event_log
    finally:
        await event_log.close()


@asynccontextmanager
async def opened_warehouse(settings: Settings, command: str) -> AsyncIterator[Warehouse]:
    """Open the warehouse to write. Raises what `rollcall.warehouse.open_warehouse` raises."""
    warehouse = await open_warehouse(settings.warehouse_url, command, settings.warehouse)
    try:
        yield warehouse
    finally:
        await warehouse.close()
