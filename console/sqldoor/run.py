"""One query under way: the engine writes its answer into a pipe, and the event loop reads it from there.

chDB has its own calls to stream an answer, but only for formats without a beginning and an end; every other answer
it keeps in memory whole, outside of the query's memory limit. ``INTO OUTFILE`` streams them all, and a pipe makes the
engine wait for a slow client. (That clause is refused in the queries of clients: `Check` lets no query have one.)
"""

import asyncio
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from console.sqldoor.asked import Asked
from console.sqldoor.engine import Engine, Handle
from console.sqldoor.native import Reframing
from console.sqldoor.refusal import TOO_DEEP_RECURSION, UNKNOWN_EXCEPTION, DoorError, refused
from rollcall.logs import logger

log = logger(__name__)

CHUNK = 256 * 1024
"""Most bytes taken from the pipe at once."""

_KILL_EVERY = 0.25
_KILL_EVERY_AT_MOST = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
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


class Run:
    """A query in a thread of its own.

    The thread is a daemon: a query that the engine cannot stop must not keep the process from ending.

    Attributes:
        mark: The query's name within the door.
        format: The answer's format, known when its first byte is there.
        outcome: Ends when the thread has given back everything; holds a DoorError when the query failed.
    """

    def __init__(self, engine: Engine, asked: Asked) -> None:
        self.mark = uuid4().hex
        self.format = ""
        self.outcome: Future[Outcome] = Future()
        self.outcome.set_running_or_notify_cancel()  # Who gives up waiting for it must not make it look ended.
        self._engine = engine
        self._asked = asked
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

    async def ended(self) -> Outcome:
        """Wait for the query's end. Raises DoorError when it failed."""
        return await asyncio.wrap_future(self.outcome)

    async def stop(self) -> None:
        """Ask the engine to stop the query until it has, and throw away what it still writes.

        The pipe stays open until then: an engine that is told to stop while its writing fails throws where nobody
        catches, and that ends the process.
        """
        ended = asyncio.wrap_future(self.outcome)
        ended.add_done_callback(_look_at)
        draining = asyncio.create_task(self._drain())
        pause = _KILL_EVERY
        try:
            while not ended.done():
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
        outcome: Outcome | DoorError
        try:
            outcome = self._query(self._write_end)
        except DoorError as error:
            outcome = self._engine.private(error)
        except RecursionError:
            outcome = refused(TOO_DEEP_RECURSION, "The query is nested too deeply")
        except Exception as error:
            # Its text may hold the query's.
            log.error("a query broke the SQL door", query=self.mark, error=type(error).__name__)
            outcome = refused(UNKNOWN_EXCEPTION, "the SQL door failed on this query")
        if isinstance(outcome, DoorError):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)
        os.close(self._write_end)

    def _query(self, write_end: int) -> Outcome:
        asked = self._asked
        with self._engine.handle(self.mark, asked.settings) as handle:
            statement = self._engine.reader.read(handle.ask, asked.query, asked.parameters)
            self.format = statement.format or asked.default_format
            if self.format == "Native" and asked.native_revision:
                with Reframing(write_end, asked.native_revision, self._kill) as reframed:
                    result = self._into(handle, statement.sql, reframed)
            else:
                result = self._into(handle, statement.sql, write_end)
            return Outcome(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                result_rows=result.rows_read(),
                result_bytes=result.bytes_read(),
                elapsed=result.elapsed(),
            )

    def _into(self, handle: Handle, sql: str, descriptor: int) -> Any:
        compression = f" COMPRESSION '{self._asked.encoding}'" if self._asked.encoding else ""
        where = f"INTO OUTFILE '/dev/fd/{descriptor}' TRUNCATE{compression} FORMAT {self.format}"
        return handle.run(f"{sql} {where}", self._asked.parameters)

    def _kill(self) -> None:
        self._engine.kill(self.mark)


def _look_at(ended: "asyncio.Future[Outcome]") -> None:
    """Take note of how a query ended that nobody waits for any more; else asyncio would complain of it."""
    if not ended.cancelled():
        ended.exception()
