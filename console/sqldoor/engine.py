"""The embedded engine as the door sees it, and one query under way in it.

The engine writes its answer into a pipe, and the event loop reads it from there. chDB has its own calls to stream an
answer, but only for formats without a beginning and an end; every other answer it keeps in memory whole, outside of
the query's memory limit. ``INTO OUTFILE`` streams them all, and a pipe makes the engine wait for a slow client. (That
clause is refused in the queries of clients: `QueryCheck` lets no query have one.)
"""

import asyncio
import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from console.sqldoor import allowlist
from console.sqldoor.allowlist import Vocabulary
from console.sqldoor.check import Node, parse_query
from console.sqldoor.exceptions import (
    QUERY_WAS_CANCELLED,
    TIMEOUT_EXCEEDED,
    TOO_DEEP_RECURSION,
    UNKNOWN_EXCEPTION,
    DoorError,
    door_error,
    engine_error,
)
from console.sqldoor.native_format import Reframer
from console.sqldoor.profile import CHANGEABLE_SETTINGS, DoorLimits, SettingValue
from console.sqldoor.request import QueryRequest
from console.sqldoor.statement import Statement, StatementReader
from rollcall.logs import logger
from rollcall.warehouse.access.roles import READER_ROLE, connection_string
from rollcall.warehouse.engines import require_embedded_engine

log = logger(__name__)


class Handle:
    """A connection of one query, with the rights of readers; it is used on one thread.

    The statement of a client finds it read-only, for good.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._locked = False

    def ask(self, sql: str) -> bytes:
        """Run one of the door's own queries about a query's text, and return its value. Raises DoorError."""
        try:
            return bytes(self._connection.query(sql, "TSVRaw").bytes() or b"")
        except RuntimeError as error:
            raise engine_error(str(error), parsing=True) from None

    def run(self, sql: str, parameters: Mapping[str, str], settings: Mapping[str, SettingValue] | None = None) -> Any:
        """Run a statement that says itself where its answer goes.

        Args:
            sql: The statement.
            parameters: Values of its placeholders.
            settings: Settings besides the door's own, only for the first statement of a handle.

        Returns:
            chDB's result.

        Raises:
            DoorError: It fails, or the engine does not take a setting.
        """
        try:
            if not self._locked:
                if settings:
                    self.set(settings)
                # For good: the engine lets nobody change a setting from here on, this one included. A role can be
                # changed by a statement, which is none of the kinds that are let through.
                self._connection.query("SET readonly = 1")
                self._locked = True
            # The format in the statement counts; with Null here SHOW statements would answer nothing.
            # As bytes, because a query may hold some that are no text.
            query = sql.encode("utf-8", "surrogateescape")
            return self._connection.query(query, "TabSeparated", params=dict(parameters))
        except RuntimeError as error:
            raise engine_error(str(error)) from None

    def set(self, settings: Mapping[str, SettingValue]) -> None:
        """Change settings, before the client's statement. Raises RuntimeError."""
        assignments = ", ".join(f"{name} = {_literal(str(value))}" for name, value in settings.items())
        self._connection.query(f"SET {assignments}")


class Engine:
    """The embedded engine as the door sees it.

    One handle stays open to stop queries with and to keep the engine alive; every query has its own besides, so that
    no query meets settings of another.

    Args:
        path: The chDB folder, held by this process.
        limits: What queries may take.

    Attributes:
        limits: As given.
        timezone: The engine's, once it is open.
        version: Likewise.
        statements: Reads statements, once it is open.
    """

    def __init__(self, path: Path, limits: DoorLimits) -> None:
        self._path = str(path)
        self._connection_string = connection_string(path)
        self.limits = limits
        self._control: Any = None
        self._control_lock = threading.Lock()
        self.timezone = ""
        self.version = ""
        self.statements = StatementReader(Vocabulary([], []), limits)

    def open(self) -> None:
        """Open the handle that stays, and query which functions the engine has.

        Raises:
            SettingsError: The engine is not installed.
            RuntimeError: It cannot open.
        """
        require_embedded_engine()
        self._control = self._connect()
        [about] = self._rows("SELECT version() AS version, timezone() AS timezone")
        self.version, self.timezone = about["version"], about["timezone"]
        known = Vocabulary(
            self._rows(allowlist.FUNCTIONS_QUERY), [row["name"] for row in self._rows(allowlist.COMBINATORS_QUERY)]
        )
        changeable = CHANGEABLE_SETTINGS | self.limits.lowerable().keys()
        with self._handle(DoorLimits(), "") as handle:  # its own may be too tight for that
            views = handle.ask(allowlist.VIEWS_QUERY).decode().split()
            settings = allowlist.settings_query(changeable | {"readonly"}, changeable)
            stand_in = _subquery(parse_query(handle.ask, f"SELECT * FROM ({settings})"))  # noqa: S608 - our own text
        self.statements = StatementReader(known, self.limits, frozenset(views), stand_in)

    def handle(self, mark: str) -> AbstractContextManager[Handle]:
        """Open a handle for one query, with the rights and the limits of readers.

        Args:
            mark: Lets `kill` find the query.

        Raises:
            DoorError: The engine fails.
        """
        return self._handle(self.limits, mark)

    @contextmanager
    def _handle(self, limits: DoorLimits, mark: str) -> Iterator[Handle]:
        connection = self._connect()
        handle = Handle(connection)
        try:
            try:
                connection.query(f"SET ROLE {READER_ROLE}")
                handle.set(limits.engine_settings() | {"log_comment": mark})
            except RuntimeError as error:
                raise engine_error(str(error)) from None
            yield handle
        finally:
            connection.close()

    def kill(self, mark: str) -> None:
        """Have the engine stop a query; it does when it next looks."""
        with self._control_lock:
            if self._control is not None:
                self._control.query(f"KILL QUERY WHERE Settings['log_comment'] = {_literal(mark)} ASYNC")

    def close(self) -> None:
        """Close the handle that stays. Queries still running keep theirs."""
        with self._control_lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def private(self, error: DoorError) -> DoorError:
        """Return an error without the folder's path, should the engine have named it."""
        return DoorError(error.code, error.body.replace(self._path, "…"))

    def _connect(self) -> Any:
        import chdb  # only here: it takes 200 MB, and most commands do without

        return chdb.connect(self._connection_string)  # type: ignore[no-untyped-call]  # chdb has no types

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        lines = self._control.query(sql, "JSONEachRow").bytes().splitlines()
        return [json.loads(line) for line in lines]


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _subquery(tree: Node) -> Node:
    [element] = tree["list_of_selects"]["children"][0]["tables"]["children"]
    subquery: Node = element["table_expression"]["subquery"]
    return subquery


CHUNK = 256 * 1024
"""Most bytes taken from the pipe at once."""

_KILL_EVERY = 0.25
_KILL_EVERY_AT_MOST = 5.0


@dataclass(frozen=True, slots=True)
class QueryStatistics:
    """What the engine says of a query that ended well."""

    read_rows: int
    read_bytes: int
    result_rows: int
    result_bytes: int
    elapsed: float


class _Pipe:
    """The end of a pipe that the event loop reads.

    The descriptor is closed here, once, and nowhere else. A transport of uvloop's closes the number in libuv and then
    the Python file again; in between, the number may have become another thread's: the engine's, the log's, a client's.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._open = True

    async def read(self, size: int) -> bytes:
        """Return up to some bytes, waiting for the first; none at the end, and once it is closed."""
        while self._open:
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                await self._readable()
        return b""

    def close(self) -> None:
        """Close it; a second time does nothing. Nobody may be waiting in `read`."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._descriptor)


class QueryRun:
    """A query in a thread of its own.

    The thread is a daemon: a query that the engine cannot stop must not keep the process from ending.

    Attributes:
        mark: The query's name within the door.
        format: The answer's format, known when its first byte is there.
        outcome: Ends when the thread has given back everything; holds a DoorError when the query failed.
    """

    def __init__(self, engine: Engine, request: QueryRequest) -> None:
        self.mark = uuid4().hex
        self.format = ""
        self.outcome: Future[QueryStatistics] = Future()
        self.outcome.set_running_or_notify_cancel()  # Who gives up waiting for it must not make it look ended.
        self._engine = engine
        self._request = request
        self._wanted = True
        self._deadline = time.monotonic() + engine.limits.seconds
        read_end, self._write_end = os.pipe()
        self._pipe = _Pipe(read_end)

    def start(self) -> None:
        """Start the thread. Where it cannot be, the run has ended and nothing is left open."""
        try:
            threading.Thread(target=self._work, name="sqldoor", daemon=True).start()
        except BaseException:
            os.close(self._write_end)
            self._pipe.close()
            raise

    async def read(self, size: int) -> bytes:
        """Return up to some bytes of the answer; none at its end."""
        return await self._pipe.read(size)

    async def ended(self) -> QueryStatistics:
        """Wait for the query's end. Raises DoorError when it failed."""
        return await asyncio.wrap_future(self.outcome)

    async def stop(self) -> None:
        """Kill the query again and again until it has stopped, and throw away what it still writes.

        The pipe stays open until then: an engine that has to stop while its writing fails throws where nobody
        catches, and that ends the process.
        """
        self._wanted = False
        ended = asyncio.wrap_future(self.outcome)
        ended.add_done_callback(_look_at)
        draining = asyncio.create_task(self._drain())
        pause = _KILL_EVERY
        try:
            while not ended.done():
                with suppress(RuntimeError):  # the engine is too busy for that; the next try may fare better
                    await asyncio.to_thread(self._engine.kill, self.mark)
                await asyncio.wait({ended}, timeout=pause)
                pause = min(2 * pause, _KILL_EVERY_AT_MOST)
            await draining
        finally:
            draining.cancel()
            with suppress(asyncio.CancelledError):
                await draining
            self._pipe.close()

    async def _drain(self) -> None:
        while await self._pipe.read(CHUNK):
            pass

    def _work(self) -> None:
        outcome: QueryStatistics | DoorError
        try:
            outcome = self._query(self._write_end)
        except DoorError as error:
            outcome = self._engine.private(error)
        except RecursionError:
            outcome = door_error(TOO_DEEP_RECURSION, "The query is nested too deeply")
        except UnicodeDecodeError as error:  # of the engine's words, which repeat bytes of the query that are no text
            outcome = self._engine.private(engine_error(bytes(error.object).decode(errors="replace"), parsing=True))
        except Exception as error:
            # Its text may hold the query's.
            log.error("a query broke the SQL door", query=self.mark, error=type(error).__name__)
            outcome = door_error(UNKNOWN_EXCEPTION, "the SQL door failed on this query")
        if isinstance(outcome, DoorError):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)
        os.close(self._write_end)

    def _query(self, write_end: int) -> QueryStatistics:
        request = self._request
        self._require_wanted()
        with self._engine.handle(self.mark) as handle:
            statement = self._engine.statements.read(
                handle.ask, request.query, request.parameters, request.table_filters
            )
            self._require_wanted()
            self.format = statement.format or request.default_format
            if self.format == "Native" and request.native_revision:
                with Reframer(write_end, request.native_revision, self._kill) as reframed:
                    result = self._into(handle, statement, reframed)
            else:
                result = self._into(handle, statement, write_end)
            return QueryStatistics(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                result_rows=result.rows_read(),
                result_bytes=result.bytes_read(),
                elapsed=result.elapsed(),
            )

    def _require_wanted(self) -> None:
        """Raise DoorError once it is to be stopped: there may be nothing yet that the engine could kill."""
        if not self._wanted:
            raise door_error(QUERY_WAS_CANCELLED, "Query was cancelled")
        if self._left() <= 0:
            raise door_error(TIMEOUT_EXCEEDED, f"Timeout exceeded: maximum: {self._engine.limits.seconds:g} s")

    def _left(self) -> float:
        """Return the seconds to its deadline: the engine begins to count only when it begins to run it."""
        return self._deadline - time.monotonic()

    def _into(self, handle: Handle, statement: Statement, descriptor: int) -> Any:
        compression = f" COMPRESSION '{self._request.encoding}'" if self._request.encoding else ""
        where = f"INTO OUTFILE '/dev/fd/{descriptor}' TRUNCATE{compression} FORMAT {self.format}"
        settings = {**self._request.settings, **statement.settings}
        settings["max_execution_time"] = max(
            0.001, min(self._left(), float(settings.get("max_execution_time", math.inf)))
        )
        return handle.run(f"{statement.sql} {where}", self._request.parameters, settings)

    def _kill(self) -> None:
        self._engine.kill(self.mark)


def _look_at(ended: "asyncio.Future[QueryStatistics]") -> None:
    """Retrieve the exception of a query that nobody waits for any more; else asyncio would log it."""
    if not ended.cancelled():
        ended.exception()
