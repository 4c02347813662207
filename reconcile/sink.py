"""The sink of a run: how its records get from the log into the warehouse, by who holds it.

* `up` holds the embedded files: its consumers write, and it is asked to rebuild the touched days.
* Nobody holds them: this process consumes the log itself.
* A server: the consumers that run elsewhere write; the days are rebuilt from here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from console.control import ask_to_rebuild
from consumers.loop import Consumer, Source
from consumers.writers import ActivityWriter, DirectoryWriter
from reconcile.publisher import ExistingFacts, NoExistingFacts, WarehouseFacts
from rollcall.errors import WarehouseHeldError, WarehouseUnavailableError
from rollcall.eventlog import EventLog, TopicState
from rollcall.runtime import open_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.topics import WAREHOUSE_GROUP, topics_of
from rollcall.warehouse import Warehouse, migrate, record_sites, require_current
from rollcall.warehouse.engines import Embedded, parse_warehouse_url
from rollcall.warehouse.lock import Holding, read_holding
from rollcall.warehouse.rebuild import rebuild_site

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
        left += await _wait_for_topic(event_log, topic, patience)
    return left


async def _wait_for_topic(event_log: EventLog, topic: str, patience: float) -> int:
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


COMMAND = "rollcall reconcile"


@dataclass(frozen=True, slots=True)
class Sink:
    """The warehouse as a run meets it.

    Attributes:
        reader: Open for queries; None when it cannot be asked.
        known: What it knows; None when it cannot be asked.
        write: Waits until what is on the log is in the warehouse; returns what is missing to that, else nothing.
        rebuild: Rebuilds days of a site.
    """

    reader: Warehouse | None
    known: ExistingFacts | None
    write: Callable[[], Awaitable[str]]
    rebuild: Callable[[str, Sequence[date]], Awaitable[object]]


@asynccontextmanager
async def open_sink(settings: Settings, event_log: EventLog) -> AsyncIterator[Sink]:
    """Open the warehouse in the way that fits, for a run that writes.

    Raises:
        SettingsError, WarehouseUnavailableError, SchemaError: It cannot be used.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded) and (holding := read_holding(address.lock_path)):
        async with _held(settings, event_log, holding) as found:
            yield found
        return
    async with opened_warehouse(settings, COMMAND) as warehouse:
        if isinstance(address, Embedded):
            await migrate(warehouse)
            await record_sites(warehouse, settings.sites)
            write = _by_this_process(settings, event_log, warehouse)
        else:
            await require_current(warehouse)
            write = by_other_consumers(settings, event_log)

        async def rebuild(site: str, days: Sequence[date]) -> object:
            return await rebuild_site(warehouse, settings, site, days)

        yield Sink(warehouse, WarehouseFacts(warehouse), write, rebuild)


@asynccontextmanager
async def open_dry_run_sink(settings: Settings) -> AsyncIterator[Sink]:
    """Open the warehouse to compare with only, for a dry run; where there is none yet, nothing is known."""

    async def nothing(*_: object) -> str:
        return ""

    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded) and not address.path.is_dir():
        yield Sink(None, NoExistingFacts(), nothing, nothing)
        return
    reader = await open_for_reading(settings, COMMAND)
    try:
        yield Sink(reader, WarehouseFacts(reader), nothing, nothing)
    finally:
        await reader.close()


@asynccontextmanager
async def _held(settings: Settings, event_log: EventLog, holding: Holding) -> AsyncIterator[Sink]:
    async def rebuild(site: str, days: Sequence[date]) -> object:
        return await ask_to_rebuild(holding, site, days)

    reader: Warehouse | None = None
    try:
        reader = await open_for_reading(settings, COMMAND)
    except WarehouseHeldError:
        reader = None  # no SQL door: facts can be appended all the same, and the rebuild will say what is missing
    try:
        known = WarehouseFacts(reader) if reader else None
        yield Sink(reader, known, by_other_consumers(settings, event_log), rebuild)
    finally:
        if reader:
            await reader.close()


def _by_this_process(settings: Settings, event_log: EventLog, warehouse: Warehouse) -> Callable[[], Awaitable[str]]:
    topics = topics_of(settings)
    letters = topics.deadletter.name
    consumers = [
        Consumer(Source(event_log, topic.name, WAREHOUSE_GROUP, letters), writer, settings.consumer)
        for topic, writer in (
            (topics.activity, ActivityWriter(warehouse, settings.sites)),
            (topics.directory, DirectoryWriter(warehouse)),
        )
    ]

    async def write() -> str:
        for consumer in consumers:
            await consumer.drain()
        return ""

    return write


def by_other_consumers(settings: Settings, event_log: EventLog) -> Callable[[], Awaitable[str]]:
    """Return what waits until consumers elsewhere have written what is on the log; see `Sink.write`."""
    topics = topics_of(settings)
    names = (topics.activity.name, topics.directory.name)

    async def write() -> str:
        left = await wait_until_written(event_log, names, settings.reconcile.drain_seconds)
        if not left:
            return ""
        return (
            f"{left} records are on the log and not yet in the warehouse; is a consumer running (`rollcall up` or "
            "`rollcall consume`)? When it has caught up, run this again with --resume"
        )

    return write


async def try_rebuild(found: Sink, site: str, days: Sequence[date]) -> str:
    """Rebuild days; return what is missing when that cannot be done now, else nothing."""
    try:
        await found.rebuild(site, days)
    except WarehouseUnavailableError as error:
        return f"the touched days were not rebuilt ({error}); `rollcall rebuild` does it later"
    return ""
