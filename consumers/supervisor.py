"""The consumers of one process: prepare the warehouse, then write both topics until told to stop."""

import asyncio

import stamina

from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, DirectoryWriter, Writer
from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.eventlog import EventLog, Topic
from rollcall.logs import logger
from rollcall.settings import Settings
from rollcall.topics import WAREHOUSE_GROUP, topics_of
from rollcall.warehouse import Warehouse, migrate, record_sites, require_current
from rollcall.warehouse.schema_check import require_no_drift, verify_insert_settings

log = logger(__name__)


class Supervisor:
    """Writes the event log into the warehouse.

    Args:
        settings: The settings.
        event_log: Where records come from.
        warehouse: Where they go.
        migrates: Whether to apply migrations; otherwise they must have been applied.
    """

    def __init__(self, settings: Settings, event_log: EventLog, warehouse: Warehouse, *, migrates: bool) -> None:
        self._settings = settings
        self._log = event_log
        self._warehouse = warehouse
        self._migrates = migrates
        self._consumers: dict[str, Consumer] = {}
        self._stopped: dict[str, RollcallError] = {}
        self._unprepared = ""
        self.prepared = asyncio.Event()

    async def run(self, stop: asyncio.Event, *, carry_on: bool) -> None:
        """Consume until `stop` is set.

        Args:
            stop: Ends it, after the batch in hand.
            carry_on: Whether one consumer's end leaves the others running; `check` then tells of it.

        Raises:
            RollcallError: The warehouse cannot be prepared, or a consumer had to stop.
        """
        await self._prepare(stop)
        self.prepared.set()
        topics = topics_of(self._settings)
        activity = ActivityWriter(self._warehouse, self._settings.sites)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._consume(topics.activity, activity, stop, carry_on))
            group.create_task(self._consume(topics.directory, DirectoryWriter(self._warehouse), stop, carry_on))
        if carry_on:
            await stop.wait()
        for trouble in self._stopped.values():
            raise trouble

    async def check(self) -> None:
        """Raise RollcallError unless every consumer runs, and waits for neither log nor warehouse."""
        if not self.prepared.is_set():
            raise RollcallError(f"the warehouse is not prepared yet{self._unprepared}")
        waiting = {topic: one.trouble for topic, one in self._consumers.items() if one.trouble}
        if self._stopped or waiting:
            stopped = [f"{topic} stopped: {why}" for topic, why in self._stopped.items()]
            raise RollcallError("; ".join([*stopped, *(f"{topic} waits: {why}" for topic, why in waiting.items())]))

    async def _consume(self, topic: Topic, writer: Writer, stop: asyncio.Event, carry_on: bool) -> None:
        letters = topics_of(self._settings).deadletter.name
        source = Source(self._log, topic.name, WAREHOUSE_GROUP, letters)
        consumer = self._consumers[topic.name] = Consumer(source, writer, self._settings.consumer)
        try:
            await consumer.run(stop)
        except RollcallError as error:
            log.error("consumer stopped", topic=topic.name, cause=str(error))
            del self._consumers[topic.name]
            self._stopped[topic.name] = error
            if not carry_on:
                stop.set()

    async def _prepare(self, stop: asyncio.Event) -> None:
        """Bring the warehouse's schema and sites up to date, waiting while it is away."""

        def again(error: Exception) -> bool:
            self._unprepared = f": {error}"
            return isinstance(error, WarehouseUnavailableError) and not stop.is_set()

        attempts = stamina.retry_context(
            on=again, attempts=None, timeout=None, wait_initial=0.2, wait_max=self._settings.consumer.backoff_max
        )
        async for attempt in attempts:
            with attempt:
                await verify_insert_settings(self._warehouse)
                if self._migrates:
                    for migration in await migrate(self._warehouse):
                        log.info("migration applied", version=migration.version, name=migration.name)
                await require_current(self._warehouse)
                await require_no_drift(self._warehouse)
                for site in await record_sites(self._warehouse, self._settings.sites):
                    log.info("time zone changed, days rebuilt", site=site)
