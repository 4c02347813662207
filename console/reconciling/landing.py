"""How the records of a run get from the log into the warehouse, by who holds it.

* `up` holds the embedded files: its consumers write, and it is asked to rebuild the touched days.
* Nobody holds them: this process consumes the log itself.
* A server: the consumers that run elsewhere write; the days are rebuilt from here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from console.control import ask_to_rebuild
from console.maintenance import rebuild_site
from console.opening import opened_warehouse
from console.reading import open_for_reading
from console.reconciling.drained import wait_until_written
from consumers.activity import ActivityWriter
from consumers.directory import DirectoryWriter
from consumers.loop import Consumer, Source
from reconcile.known import KnownFacts, NothingKnown, WarehouseFacts
from rollcall.errors import WarehouseHeldError, WarehouseUnavailableError
from rollcall.eventlog import EventLog
from rollcall.settings import Settings
from rollcall.topics import WAREHOUSE_GROUP, topics_of
from rollcall.warehouse import Warehouse, migrate, record_sites, require_current
from rollcall.warehouse.address import Embedded, parse_warehouse_url
from rollcall.warehouse.holder import Holding, read_holding

COMMAND = "rollcall reconcile"


@dataclass(frozen=True, slots=True)
class Landing:
    """The warehouse as a run meets it.

    Attributes:
        reader: Open for queries; None when it cannot be asked.
        known: What it knows; None when it cannot be asked.
        write: Waits until what is on the log is in the warehouse; returns what is missing to that, else nothing.
        rebuild: Rebuilds days of a site.
    """

    reader: Warehouse | None
    known: KnownFacts | None
    write: Callable[[], Awaitable[str]]
    rebuild: Callable[[str, Sequence[date]], Awaitable[object]]


@asynccontextmanager
async def landing(settings: Settings, event_log: EventLog) -> AsyncIterator[Landing]:
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
            write = by_others(settings, event_log)

        async def rebuild(site: str, days: Sequence[date]) -> object:
            return await rebuild_site(warehouse, settings, site, days)

        yield Landing(warehouse, WarehouseFacts(warehouse), write, rebuild)


@asynccontextmanager
async def knowledge(settings: Settings) -> AsyncIterator[Landing]:
    """Open the warehouse to compare with only, for a dry run; where there is none yet, nothing is known."""

    async def nothing(*_: object) -> str:
        return ""

    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded) and not address.path.is_dir():
        yield Landing(None, NothingKnown(), nothing, nothing)
        return
    reader = await open_for_reading(settings, COMMAND)
    try:
        yield Landing(reader, WarehouseFacts(reader), nothing, nothing)
    finally:
        await reader.close()


@asynccontextmanager
async def _held(settings: Settings, event_log: EventLog, holding: Holding) -> AsyncIterator[Landing]:
    async def rebuild(site: str, days: Sequence[date]) -> object:
        return await ask_to_rebuild(holding, site, days)

    reader: Warehouse | None = None
    try:
        reader = await open_for_reading(settings, COMMAND)
    except WarehouseHeldError:
        reader = None  # no SQL door: facts can be appended all the same, and the rebuild will say what is missing
    try:
        known = WarehouseFacts(reader) if reader else None
        yield Landing(reader, known, by_others(settings, event_log), rebuild)
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


def by_others(settings: Settings, event_log: EventLog) -> Callable[[], Awaitable[str]]:
    """Return what waits until consumers elsewhere have written what is on the log; see `Landing.write`."""
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


async def try_rebuild(found: Landing, site: str, days: Sequence[date]) -> str:
    """Rebuild days; return what is missing when that cannot be done now, else nothing."""
    try:
        await found.rebuild(site, days)
    except WarehouseUnavailableError as error:
        return f"the touched days were not rebuilt ({error}); `rollcall rebuild` does it later"
    return ""
