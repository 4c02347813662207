"""One client for both engines, ClickHouse over HTTP or chDB in this process, and the cluster a server belongs to.

A cluster is one shard with its replicas: every replica holds everything, and no Distributed table stands in between.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError

from rollcall.errors import WarehouseUnavailableError
from rollcall.logs import logger
from rollcall.settings.servers import WarehouseSettings
from rollcall.warehouse.access.roles import READER_ROLE
from rollcall.warehouse.engines import (
    UNKNOWN_CALLER,
    Holder,
    Server,
    embedded_client,
    error_text,
    parse_warehouse_url,
    require_consistent,
    server_client,
    unusable,
)

_T = TypeVar("_T")

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A ClickHouse cluster, or none.

    Attributes:
        name: As in the server's ``remote_servers``; empty for one server or the embedded engine.
    """

    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.name)

    @property
    def on_cluster(self) -> str:
        """The clause that has a statement run on every replica; empty without a cluster."""
        return f"ON CLUSTER `{self.name}`" if self.name else ""

    def filled(self, statement: str) -> str:
        """Fill the placeholders ``{on_cluster}`` and ``{replicated}`` of a statement.

        The engines name no path in Keeper and no replica: the server's ``default_replica_path`` and
        ``default_replica_name`` say them.
        """
        replicated = "Replicated" if self.name else ""
        return statement.replace("{on_cluster}", self.on_cluster).replace("{replicated}", replicated)

    def everywhere(self, table: str) -> str:
        """Return what to read a system table of all replicas from."""
        return f"clusterAllReplicas(`{self.name}`, {table})" if self.name else table

    def caught_up(self, table: str) -> str:
        """Return the statement that waits until every replica has all parts of a table; empty without a cluster."""
        return f"SYSTEM SYNC REPLICA {self.on_cluster} {table} LIGHTWEIGHT" if self.name else ""


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows of an answer, and in what order.

    Attributes:
        sort: The column to order by; with ``-`` before it, the greatest first. Rows without a value come last either
            way, and rows alike in it in the answer's own order, which is all of it where this is empty.
        limit: The most rows; None for all.
        offset: How many rows to pass over first.
    """

    sort: str = ""
    limit: int | None = None
    offset: int = 0

    def clause(self, order: str) -> str:
        """Return the end of a SELECT that the database cuts.

        Args:
            order: The answer's own order, as ORDER BY has it.
        """
        name = self.sort.removeprefix("-")
        if name and not name.isidentifier():
            raise ValueError(f"{name!r} is no column")
        first = f"`{name}` {'DESC' if self.sort[0] == '-' else 'ASC'} NULLS LAST, " if name else ""
        cut = f" LIMIT {self.limit:d} OFFSET {self.offset:d}" if self.limit is not None else ""
        return f" ORDER BY {first}{order}{cut}"

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """Return the same of rows that are here already, in the answer's own order."""
        found = list(rows)
        if self.sort:
            name = self.sort.removeprefix("-")
            known = [row for row in found if row[name] is not None]
            known.sort(key=itemgetter(name), reverse=self.sort[0] == "-")
            found = known + [row for row in found if row[name] is None]
        return found[self.offset :][: self.limit]


WHOLE = Slice()
"""All rows in the answer's own order."""

WRITE_SETTINGS: Mapping[str, Any] = {
    # An answered insert must be in the table, not in a server-side buffer.
    "async_insert": 0,
    # A reused token or an equal block would silently drop rows; identity is the tables' own work.
    "insert_deduplicate": 0,
    # One bad clock can spread a batch over many months; that must not refuse the whole batch.
    "max_partitions_per_insert_block": 0,
}

_BAD_DATA = frozenset({6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 131, 349, 407, 691})
"""ClickHouse error codes that blame the rows themselves: parsing, types, ranges, sizes."""

_LAST_CALLS_SECONDS = 5.0
"""How long a server may take to answer what is under way when everything else has stopped."""
_left: set[Future[Any]] = set()


def calls_left() -> bool:
    """Whether calls are under way that nobody waits for: Python would, at the end of the process."""
    return any(not future.done() for future in _left)


class RefusedRowsError(Exception):
    """The engine refuses these rows whatever the time: at least one of them is bad."""


class Folder:
    """The embedded engine's folder, which has to stay the one that was opened.

    The engine knows it by its path: with the folder moved away it goes on, makes what it lacks at the path anew, and
    what it is given is gone with its next start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def opened(self) -> None:
        """Remember the folder that is there; only the first time counts."""
        if self._opened is None:
            self._opened = self._found()

    def require_unmoved(self) -> None:
        """Raise WarehouseUnavailableError where another folder is at the path by now, or none."""
        if self._opened is not None and self._found() != self._opened:
            raise WarehouseUnavailableError(
                f"the warehouse {self._path} was moved, deleted or replaced while in use; put it back in place of what "
                "is there now, or restart Rollcall, which then reads the event log again from its beginning"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


class Warehouse:
    """ClickHouse behind an async face; every call runs in a worker thread that owns its connection.

    Args:
        open_client: Opens one connection.
        holder: The hold on an embedded engine's files, given up by `close`.
        threads: How many calls may run at once.
        cluster: The cluster that the server belongs to, if any.
        which: Returns what a connection is good for, such as one life of a server process; once it returns another
            thing, calls open their connections anew.
    """

    def __init__(
        self,
        open_client: Callable[[], Client],
        *,
        holder: Holder | None = None,
        threads: int = 4,
        cluster: Cluster | None = None,
        which: Callable[[], object] = lambda: None,
    ) -> None:
        self._open_client = open_client
        self._which = which
        self.holder = holder
        self._folder = Folder(holder.address.path) if holder else None
        self.cluster = cluster or Cluster()
        self._own = threading.local()
        self._clients: list[Client] = []
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="warehouse")
        self._under_way: set[Future[Any]] = set()

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a SELECT and return its rows as dicts; moments are aware datetimes in UTC.

        Args:
            sql: Text with ``{name:Type}`` placeholders.
            parameters: Their values.

        Raises:
            WarehouseUnavailableError: The engine cannot be reached or refuses.
        """

        def run(client: Client) -> list[Row]:
            result = client.query(sql, parameters=dict(parameters or {}), tz_mode="aware")
            return list(result.named_results())

        return await self._run(run)

    async def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers nothing. Raises WarehouseUnavailableError."""
        await self._run(lambda client: client.command(sql, parameters=dict(parameters or {})))

    async def insert_lines(self, table: str, lines: Sequence[bytes]) -> None:
        """Insert rows given as JSON objects; when this returns they are in the table and its views.

        Raises:
            RefusedRowsError: The engine blames the rows.
            WarehouseUnavailableError: It cannot be reached or refuses for another reason; trying later may work.
        """
        block = b"\n".join(lines)
        await self._run(lambda client: client.raw_insert(table, insert_block=block, fmt="JSONEachRow"), inserting=True)

    async def fetch(self, sql: str, form: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """Run a SELECT and return its answer whole, in one of ClickHouse's formats, such as ``Parquet``.

        Raises:
            WarehouseUnavailableError: The engine cannot be reached or refuses.
        """
        return await self._run(lambda client: client.raw_query(sql, parameters=dict(parameters or {}), fmt=form))

    async def insert_file(self, table: str, file: Path, form: str) -> None:
        """Insert the rows of a file in one of ClickHouse's formats, columns by their names.

        Raises:
            RefusedRowsError: The engine blames the rows.
            WarehouseUnavailableError: It cannot be reached or refuses for another reason; trying later may work.
        """

        def run(client: Client) -> None:
            with file.open("rb") as rows:
                client.raw_insert(table, insert_block=rows, fmt=form)

        await self._run(run, inserting=True)

    async def ping(self) -> None:
        """Raise WarehouseUnavailableError unless the engine answers a query."""
        await self.query("SELECT 1")

    async def close(self) -> None:
        """Wait for calls in flight, close every connection and give up the hold.

        A server that does not answer is waited for only so long: what it was sent is sent again after the next start.
        """
        self._executor.shutdown(wait=False, cancel_futures=True)
        seconds = None if self.holder else _LAST_CALLS_SECONDS
        _, left = await asyncio.to_thread(wait, set(self._under_way), seconds)
        if left:
            _log.warning("calls to the warehouse left unanswered", calls=len(left), seconds=seconds)
            _left.update(left)
        else:
            await asyncio.to_thread(self._executor.shutdown)
        for client in self._clients:
            client.close()
        self._clients.clear()
        if self.holder:
            self.holder.close()

    async def _run(self, call: Callable[[Client], _T], *, inserting: bool = False) -> _T:
        future = self._executor.submit(self._call, call, inserting)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    def _client(self) -> Client:
        """Return this thread's connection."""
        client: Client | None = getattr(self._own, "client", None)
        which = self._which()
        if client is not None and which != self._own.which:
            self._forget(client)
            client = None
        if client is None:
            client, self._own.which = self._open_client(), which
            self._own.client = client
            self._clients.append(client)
            if self._folder:
                self._folder.opened()
        return client

    def _forget(self, client: Client) -> None:
        self._own.client = None
        self._clients.remove(client)
        client.close()

    def _admitted(self, call: Callable[[Client], _T]) -> _T:
        """Call; where the server no longer knows the user, again with what the password's file has now."""
        client = self._client()
        try:
            return call(client)
        except ClickHouseError as error:
            if getattr(error, "code", None) not in UNKNOWN_CALLER:
                raise
        self._forget(client)
        return call(self._client())

    def _call(self, call: Callable[[Client], _T], inserting: bool) -> _T:
        try:
            if self._folder:
                self._folder.require_unmoved()
            result = self._admitted(call)
            if inserting and self._folder:
                self._folder.require_unmoved()
            return result
        except ClickHouseError as error:
            code = getattr(error, "code", None)
            if inserting and (code in _BAD_DATA or isinstance(error, DataError)):
                raise RefusedRowsError(f"ClickHouse error {code}") from error
            raise WarehouseUnavailableError(error_text(error)) from error
        except (OSError, RuntimeError) as error:
            raise WarehouseUnavailableError(error_text(error)) from error


async def open_warehouse(
    url: str, command: str, options: WarehouseSettings | None = None, *, write: bool = True, pid: int | None = None
) -> Warehouse:
    """Take the warehouse; the engine itself is started, or the server reached, by the first call.

    Args:
        url: ``warehouse_url``.
        command: What this process runs, shown to others who find the embedded files held.
        options: The `warehouse` settings; their defaults when there are none.
        write: Whether to use the settings that consumers insert with; else the embedded engine gives it the rights of
            readers alone.
        pid: The process that others are told of; None for this one.

    Raises:
        SettingsError: The URL or the folder is unusable or contradicts the options, or the engine is not installed.
        WarehouseHeldError: Another process holds the embedded files.
    """
    address, options = parse_warehouse_url(url), options or WarehouseSettings()
    require_consistent(address, options)
    settings = dict(WRITE_SETTINGS) if write else {}
    if isinstance(address, Server):
        cluster = Cluster(options.cluster)
        return Warehouse(lambda: server_client(address, options, settings), cluster=cluster)
    try:
        holder = await asyncio.to_thread(Holder, address, command, pid)
    except OSError as error:
        raise unusable(address, error) from None

    def open_client() -> Client:
        client = embedded_client(address, settings)
        if not write:
            client.command(f"SET ROLE {READER_ROLE}")
            client.command("SET readonly = 1")  # for good
        return client

    return Warehouse(open_client, holder=holder)
