"""The consumers of one process: prepare the warehouse, then write both topics until the stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress

from consumers.loop import Consumer, Source
from consumers.refresher import Refresher
from consumers.writers import ActivityWriter, DirectoryWriter, LogPositions, TouchedSites, Writer
from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.forgotten_accounts import KeptOut, forgotten_file
from rollcall.logs import logger
from rollcall.outage import Outage
from rollcall.runtime import WAREHOUSE_GROUP, StoredRuntime
from rollcall.warehouse import migrate, record_seat_settings, record_sites, require_current
from rollcall.warehouse.erasure import erase_again
from rollcall.warehouse.migrations import Migration
from rollcall.warehouse.schema_check import require_no_drift, verify_insert_settings

log = logger(__name__)


def consumers_of(runtime: StoredRuntime, touched: TouchedSites, refresher: Refresher) -> dict[str, Consumer]:
    """Return what writes the log's topics of facts and of directory rows into the warehouse, by the topic's name.

    Args:
        runtime: The log and the warehouse.
        touched: Told of what they write.
        refresher: Computes the rollups that hang on it.
    """
    settings, topics = runtime.settings, runtime.topics
    kept_out = KeptOut(runtime.warehouse, forgotten_file(settings))
    writers: dict[str, Writer] = {
        topics.activity.name: ActivityWriter(runtime.warehouse, settings.sites, touched, kept_out),
        topics.directory.name: DirectoryWriter(runtime.warehouse, touched, refresher.settle, kept_out),
    }
    return {
        topic: Consumer(
            Source(runtime.log, topic, WAREHOUSE_GROUP, topics.deadletter.name),
            writer,
            settings.consumer,
            positions=LogPositions(runtime.warehouse, topic, touched.taken),
        )
        for topic, writer in writers.items()
    }


async def drain(runtime: StoredRuntime) -> None:
    """Write what is on the log now into the warehouse, in this process.

    Raises:
        RollcallError: Log or warehouse did not do it; what was written before is committed.
    """
    touched = TouchedSites(runtime.settings.sites)
    refresher = Refresher(runtime.warehouse, touched, runtime.settings.sites)
    for consumer in consumers_of(runtime, touched, refresher).values():
        await consumer.drain()
    await refresher.settle()


class Supervisor:
    """Writes the event log into the warehouse.

    Args:
        runtime: The log that records come from, and the warehouse that they go to.
        migrates: Whether to apply migrations; otherwise they must have been applied.
    """

    def __init__(self, runtime: StoredRuntime, *, migrates: bool) -> None:
        self._runtime = runtime
        self._migrates = migrates
        self._consumers: dict[str, Consumer] = {}
        self._stopped: dict[str, RollcallError] = {}
        self._unprepared = ""
        self._refresher: Refresher | None = None
        self.prepared = asyncio.Event()

    async def run(self, stop: asyncio.Event, *, carry_on: bool) -> None:
        """Consume until `stop` is set.

        Args:
            stop: Ends it, after the batch in hand.
            carry_on: Whether one consumer's end leaves the others running; `check` then reports it.

        Raises:
            RollcallError: The warehouse cannot be prepared, or a consumer had to stop.
        """
        await self._prepare(stop)
        self.prepared.set()
        touched, written = TouchedSites(self._runtime.settings.sites), asyncio.Event()
        self._refresher = refresher = Refresher(self._runtime.warehouse, touched, self._runtime.settings.sites)
        self._consumers = consumers_of(self._runtime, touched, refresher)
        async with asyncio.TaskGroup() as beside:
            beside.create_task(refresher.run(written))
            if self._migrates:
                beside.create_task(self._fill(stop))
            try:
                async with asyncio.TaskGroup() as group:
                    for topic, consumer in list(self._consumers.items()):
                        group.create_task(self._consume(topic, consumer, stop, carry_on))
            finally:
                written.set()
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

    @asynccontextmanager
    async def erasing(self) -> AsyncIterator[None]:
        """Let accounts be taken out of the warehouse while the block runs."""
        async with self._refresher.paused() if self._refresher else nullcontext():
            yield

    async def _consume(self, topic: str, consumer: Consumer, stop: asyncio.Event, carry_on: bool) -> None:
        try:
            await consumer.run(stop)
        except RollcallError as error:
            log.error("consumer stopped", topic=topic, cause=str(error))
            del self._consumers[topic]
            self._stopped[topic] = error
            if not carry_on:
                stop.set()

    async def _prepare(self, stop: asyncio.Event) -> None:
        """Bring the warehouse's schema and sites up to date, waiting while it is away."""
        await Outage(log, self._runtime.settings.consumer.backoff_max).wait_out(self._prepare_once, stop)

    async def _fill(self, stop: asyncio.Event) -> None:
        """Do what `_prepare` left: a warehouse of an earlier version is filled while consumers write.

        And one that was restored has people in it who were forgotten since.

        The stop cuts it short, and the next start goes on.
        """
        settings, warehouse = self._runtime.settings, self._runtime.warehouse
        waiting = Outage(log, settings.consumer.backoff_max)

        async def fill() -> Sequence[Migration]:
            applied = await migrate(warehouse)
            async with self.erasing():
                await erase_again(warehouse, forgotten_file(settings), settings.sites, settings.seats)
            return applied

        filling = asyncio.create_task(waiting.wait_out(fill, stop))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({filling, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in (filling, stopped):
            task.cancel()
        with suppress(WarehouseUnavailableError, asyncio.CancelledError):
            for migration in await filling:
                log.info("migration applied", version=migration.version, name=migration.name)

    async def _prepare_once(self) -> None:
        settings, warehouse = self._runtime.settings, self._runtime.warehouse
        try:
            await verify_insert_settings(warehouse)
            if self._migrates:
                for migration in await migrate(warehouse, leave_filling=True):
                    log.info("migration applied", version=migration.version, name=migration.name)
            await require_current(warehouse)
            await require_no_drift(warehouse)
            for site in await record_sites(warehouse, settings.sites):
                log.info("time zone changed, days rebuilt", site=site)
            await record_seat_settings(warehouse, settings.sites, settings.seats)
        except Exception as error:
            self._unprepared = f": {error}"
            raise
