"""What a process stands on: settings, topics, event log and warehouse, opened once and closed in the right order.

The topics are those that the settings name. To read, the warehouse can also be opened while `up` holds the embedded
files: then its SQL door answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import Client

from rollcall.errors import WarehouseHeldError, WarehouseUnavailableError
from rollcall.eventlog import EventLog, open_log
from rollcall.eventlog.interface import Topic
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, open_warehouse, require_current
from rollcall.warehouse.engines import Embedded, Holding, parse_warehouse_url, read_holding, require_embedded_engine

WAREHOUSE_GROUP = "warehouse"
"""The consumer group that writes to ClickHouse."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topics:
    """The three topics."""

    activity: Topic
    directory: Topic
    deadletter: Topic

    def all(self) -> tuple[Topic, ...]:
        """Return every topic."""
        return (self.activity, self.directory, self.deadletter)


def topics_of(settings: Settings) -> Topics:
    """Return the topics with their names and retention."""
    retention = settings.retention
    facts_ms, dead_letters_ms = int(retention.activity_days * _DAY_MS), int(retention.deadletter_days * _DAY_MS)
    prefix = settings.topic_prefix
    return Topics(
        activity=Topic(f"{prefix}.activity", facts_ms, retention.max_bytes),
        directory=Topic(f"{prefix}.directory", facts_ms, retention.max_bytes),
        deadletter=Topic(f"{prefix}.deadletter", dead_letters_ms, retention.max_bytes, consumed=False),
    )


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a process without a warehouse stands on. Made once and passed down.

    Attributes:
        settings: All settings.
        topics: The log's topics, as the settings name them.
        log: The event log, open. It belongs to one event loop.
    """

    settings: Settings
    topics: Topics
    log: EventLog

    def with_warehouse(self, warehouse: Warehouse) -> "StoredRuntime":
        """Return the same beside a warehouse."""
        return StoredRuntime(self.settings, self.topics, self.log, warehouse)


@dataclass(frozen=True, slots=True)
class StoredRuntime(Runtime):
    """What a process with a warehouse stands on.

    Attributes:
        warehouse: The warehouse, open; for writing where the process writes.
    """

    warehouse: Warehouse


@asynccontextmanager
async def opened(settings: Settings, command: str) -> AsyncIterator[Runtime]:
    """Open the event log.

    Args:
        settings: The settings.
        command: What this process runs, such as ``rollcall ingest``: Kafka's brokers know it by that and the host.

    Raises:
        SettingsError, LogUnavailableError: It cannot be opened.
    """
    topics = topics_of(settings)
    event_log = await open_log(settings.log_url, topics.all(), settings.kafka, command)
    try:
        yield Runtime(settings, topics, event_log)
    finally:
        await event_log.close()


@asynccontextmanager
async def opened_with_warehouse(
    settings: Settings, command: str, *, write: bool = True
) -> AsyncIterator[StoredRuntime]:
    """Open the event log and the warehouse; the warehouse is closed first.

    Args:
        settings: The settings.
        command: What this process runs, shown to the brokers and to others who find the embedded files held.
        write: Whether the process writes into the warehouse, or only queries it.

    Raises:
        SettingsError, LogUnavailableError: The log cannot be opened.
        SettingsError, WarehouseUnavailableError, SchemaError: The warehouse cannot.
    """
    opening = opened_warehouse if write else opened_for_reading
    async with opened(settings, command) as runtime, opening(settings, command) as warehouse:
        yield runtime.with_warehouse(warehouse)


@asynccontextmanager
async def opened_warehouse(settings: Settings, command: str, pid: int | None = None) -> AsyncIterator[Warehouse]:
    """Open the warehouse to write. Arguments and errors are those of `rollcall.warehouse.open_warehouse`."""
    warehouse = await open_warehouse(settings.warehouse_url, command, settings.warehouse, pid=pid)
    try:
        yield warehouse
    finally:
        await warehouse.close()


@asynccontextmanager
async def opened_for_reading(settings: Settings, command: str) -> AsyncIterator[Warehouse]:
    """Open the warehouse for queries.

    Args:
        settings: The settings.
        command: What this process runs.

    Raises:
        SettingsError: The embedded engine is needed and not installed.
        WarehouseHeldError: Another process holds the embedded files and has no SQL door.
        WarehouseUnavailableError: There is no warehouse yet, or it cannot be reached.
        SchemaError: Its schema is not current.
    """
    warehouse = await _open_for_reading(settings, command)
    try:
        yield warehouse
    finally:
        await warehouse.close()


async def _open_for_reading(settings: Settings, command: str) -> Warehouse:
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Embedded):
        if (holding := read_holding(address)) and not holding.brief:
            return _through_the_door(address, holding)
        require_embedded_engine()
        if not address.path.is_dir():
            raise WarehouseUnavailableError(
                f"there is no warehouse at {address.path} yet; start `rollcall up`, or check warehouse_url"
            )
    warehouse = await open_warehouse(settings.warehouse_url, command, settings.warehouse, write=False)
    try:
        await require_current(warehouse)
    except BaseException:
        await warehouse.close()
        raise
    return warehouse


def _through_the_door(address: Embedded, holding: Holding) -> Warehouse:
    def url() -> str:
        now = read_holding(address)  # its engine may have been started again
        return now.sql_url if now else ""

    def open_client() -> Client:
        now = read_holding(address) or holding
        return door_client(_answering(now).sql_url, now.control_token)

    _answering(holding)
    return Warehouse(open_client, which=url)


def _answering(holding: Holding) -> Holding:
    if not holding.sql_url:
        raise WarehouseHeldError(
            f"process {holding.pid} ({holding.command}) holds the embedded warehouse and answers no queries: only `up` "
            "does, once it has started. Try again, or stop that process"
        )
    return holding


def door_client(url: str, control_token: str) -> Client:
    """Open a connection to the SQL door of a process that holds the embedded files. Raises ClickHouseError."""
    door = urlsplit(url)
    return clickhouse_connect.get_client(
        host=door.hostname, port=door.port, username="default", password=control_token, compress=False
    )


def cancel_requested() -> bool:
    """Return whether the current task was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
