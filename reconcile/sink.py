"""The sink of a run: how its records get from the log into the warehouse, by who holds it.

* `up` holds the embedded files: its consumers write, and it rebuilds the touched days on request.
* Nobody holds them: this process consumes the log itself.
* A server: the consumers that run elsewhere write; the days are rebuilt from here.

What a run that ended early had put on the log goes the same way.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date

from reconcile.publisher import ExistingFacts, NoExistingFacts, WarehouseFacts
from reconcile.state.checkpoint import Checkpoint, CheckpointError
from reconcile.state.run_state import checkpoint_left, state_folder
from reconcile.state.window import WindowRequest, window
from rollcall.clock import now_ms
from rollcall.errors import RollcallError, WarehouseHeldError, WarehouseUnavailableError
from rollcall.eventlog import EventLog, TopicState
from rollcall.forgotten_accounts import KeptOut, forgotten_file
from rollcall.runtime import WAREHOUSE_GROUP, Runtime, StoredRuntime, opened_for_reading, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, migrate, record_seat_settings, record_sites, require_current
from rollcall.warehouse.engines import Embedded, Holding, parse_warehouse_url, read_holding
from rollcall.warehouse.erasure import forget_by_age
from rollcall.warehouse.rebuild import rebuild_site

_PAUSE = 0.1

Drain = Callable[[StoredRuntime], Awaitable[None]]
"""Writes what is on the log now into the warehouse, in this process: for when no consumer runs."""

RebuildDays = Callable[[str, Sequence[date]], Awaitable[object]]
"""Rebuilds days of a site. Raises WarehouseUnavailableError."""

RequestRebuild = Callable[[Holding, str, Sequence[date]], Awaitable[object]]
"""Has the process that holds the embedded files rebuild days of a site. Raises WarehouseUnavailableError."""


async def wait_until_written(event_log: EventLog, topics: Sequence[str], idle_seconds: float) -> int:
    """Wait until the warehouse's consumers are past what is on these topics at the call.

    Args:
        event_log: The log.
        topics: Names of its topics.
        idle_seconds: Seconds without any progress after which to give up.

    Returns:
        How many records are still unwritten; 0 when all went well.

    Raises:
        LogUnavailableError: The log cannot be read.
    """
    left = 0
    for topic in topics:
        left += await _wait_for_topic(event_log, topic, idle_seconds)
    return left


async def _wait_for_topic(event_log: EventLog, topic: str, idle_seconds: float) -> int:
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
        elif time.monotonic() - moved > idle_seconds:
            return todo - written
        await asyncio.sleep(_PAUSE)
    return 0


def _lag(state: TopicState) -> int:
    return state.lag.get(WAREHOUSE_GROUP, state.records)


COMMAND = "rollcall reconcile"


@dataclass(frozen=True, slots=True)
class Sink:
    """The log and the warehouse of a run.

    Attributes:
        runtime: Whose log its records go to; None for a dry run, which writes nothing.
        reader: Open for queries; None when it cannot be queried.
        existing: The facts that it has; None when it cannot be queried.
        write: Waits until what is on the log is in the warehouse; returns what is missing to that, else nothing.
        rebuild: Rebuilds days of a site.
        kept_out: Says whom to keep off the log; None for nobody.
    """

    runtime: Runtime | None
    reader: Warehouse | None
    existing: ExistingFacts | None
    write: Callable[[], Awaitable[str]]
    rebuild: RebuildDays
    kept_out: KeptOut | None = None


@asynccontextmanager
async def open_sink(runtime: Runtime, *, drain: Drain, request_rebuild: RequestRebuild) -> AsyncIterator[Sink]:
    """Open the warehouse in the way that fits, for a run that writes.

    Args:
        runtime: Whose log the run's records go to.
        drain: Writes them, where nobody else does.
        request_rebuild: Has the process that holds the embedded files do it.

    Raises:
        SettingsError, WarehouseUnavailableError, SchemaError: It cannot be used.
    """
    settings = runtime.settings
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded) and (holding := read_holding(address)):
        async with _held(runtime, address, holding, request_rebuild) as sink:
            yield sink
        return
    async with opened_warehouse(settings, COMMAND) as warehouse:
        if isinstance(address, Embedded):
            await migrate(warehouse)
            await record_sites(warehouse, settings.sites)
            await record_seat_settings(warehouse, settings.sites, settings.seats)
            write = _by_this_process(runtime.with_warehouse(warehouse), drain)
        else:
            await require_current(warehouse)
            write = by_other_consumers(runtime)
        kept_out = KeptOut(warehouse, forgotten_file(settings))
        yield Sink(runtime, warehouse, WarehouseFacts(warehouse), write, _rebuild_here(settings, warehouse), kept_out)


def sink_beside_consumers(runtime: StoredRuntime, rebuild: RebuildDays | None = None) -> Sink:
    """Return the sink of a run in a process whose consumers, or whose engine's, write into its warehouse.

    Args:
        runtime: The log, and the warehouse for queries.
        rebuild: Rebuilds days of a site; None does it here.
    """
    rebuild = rebuild or _rebuild_here(runtime.settings, runtime.warehouse)
    settings, facts = runtime.settings, WarehouseFacts(runtime.warehouse)
    # Readers of the embedded engine are not shown whom it keeps out.
    is_door = isinstance(parse_warehouse_url(settings.warehouse_url), Embedded)
    kept_out = KeptOut(None if is_door else runtime.warehouse, forgotten_file(settings))
    return Sink(runtime, runtime.warehouse, facts, by_other_consumers(runtime), rebuild, kept_out)


@asynccontextmanager
async def open_dry_run_sink(settings: Settings) -> AsyncIterator[Sink]:
    """Open the warehouse to compare with only, for a dry run; where there is none yet, nothing is known."""

    async def nothing(*_: object) -> str:
        return ""

    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded) and not address.path.is_dir():
        yield Sink(None, None, NoExistingFacts(), nothing, nothing)
        return
    async with opened_for_reading(settings, COMMAND) as reader:
        yield Sink(None, reader, WarehouseFacts(reader), nothing, nothing)


@asynccontextmanager
async def _held(
    runtime: Runtime, address: Embedded, holding: Holding, request_rebuild: RequestRebuild
) -> AsyncIterator[Sink]:
    async def rebuild(site: str, days: Sequence[date]) -> object:
        # Looked up anew: the engine of an `up` may have been started again during the run.
        return await request_rebuild(read_holding(address) or holding, site, days)

    async with AsyncExitStack() as stack:
        reader: Warehouse | None = None
        # No SQL door: facts can be appended all the same, and the rebuild will say what is missing.
        with suppress(WarehouseHeldError):
            reader = await stack.enter_async_context(opened_for_reading(runtime.settings, COMMAND))
        existing = WarehouseFacts(reader) if reader else None
        kept_out = KeptOut(None, forgotten_file(runtime.settings))
        yield Sink(runtime, reader, existing, by_other_consumers(runtime), rebuild, kept_out)


def _rebuild_here(settings: Settings, warehouse: Warehouse) -> RebuildDays:
    async def rebuild(site: str, days: Sequence[date]) -> object:
        months = await rebuild_site(warehouse, site, settings.sites[site].timezone, days, settings.seats)
        await forget_by_age(warehouse, settings.privacy, settings.sites, settings.seats)
        return months

    return rebuild


def _by_this_process(runtime: StoredRuntime, drain: Drain) -> Callable[[], Awaitable[str]]:
    async def write() -> str:
        await drain(runtime)
        return ""

    return write


def by_other_consumers(runtime: Runtime) -> Callable[[], Awaitable[str]]:
    """Return what waits until consumers elsewhere have written what is on the log; see `Sink.write`."""
    names = (runtime.topics.activity.name, runtime.topics.directory.name)

    async def write() -> str:
        left = await wait_until_written(runtime.log, names, runtime.settings.reconcile.drain_seconds)
        if not left:
            return ""
        return (
            f"{left} records are on the log and not yet in the warehouse; is a consumer running (`rollcall up` or "
            "`rollcall consume`)? When it has caught up, run this again with --resume"
        )

    return write


async def try_rebuild(sink: Sink, site: str, days: Sequence[date]) -> str:
    """Rebuild days; return what is missing when that cannot be done now, else nothing."""
    try:
        await sink.rebuild(site, days)
    except WarehouseUnavailableError as error:
        return f"the touched days were not rebuilt ({error}); `rollcall rebuild` does it later"
    return ""


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a run that ended early left.

    Attributes:
        left: Its checkpoint, which a run with ``--resume`` goes on from; None where checkpoints have no place.
        missing: What keeps its records from being seen; empty when they are in the warehouse and their days rebuilt.
    """

    left: Checkpoint | None
    missing: str = ""


def remainder_of(settings: Settings, name: str) -> Remainder | None:
    """Return what a run of the site left; None where it had put nothing on the log."""
    folder = state_folder(settings)
    if folder is None:
        return Remainder(None)
    try:
        left = checkpoint_left(folder, name)
    except CheckpointError:
        return Remainder(None)
    return Remainder(left) if left else None


async def bring(settings: Settings, name: str, remainder: Remainder, asked: WindowRequest, sink: Sink) -> Remainder:
    """Wait until what is on the log is in the warehouse, and rebuild the days that the run may have touched.

    Args:
        settings: The settings.
        name: The site's name in them.
        remainder: What is left.
        asked: The window of the run, for when no checkpoint has it.
        sink: The log and the warehouse.

    Returns:
        The same, with what is missing.
    """
    left = remainder.left
    try:
        missing = await sink.write()
        if not missing and (left is None or left.found.facts):
            missing = await try_rebuild(sink, name, _days(settings, name, left, asked))
    except RollcallError as error:
        missing = str(error)
    return Remainder(left, missing)


def _days(settings: Settings, name: str, left: Checkpoint | None, asked: WindowRequest) -> Sequence[date]:
    zone = settings.sites[name].zone()
    return (left.window if left else window(asked, settings.reconcile, zone, now_ms())).days(zone)
