"""The engine of `up`: the embedded ClickHouse in a process of its own, with the consumers and the SQL door.

It begins with the order that the front sends to its stdin, and ends in order when that pipe closes: the front wants it,
or is no more. It has a second SQL door on a free port of loopback for the front and for Rollcall's other commands, so
that their queries wait for no dashboard's.
"""

import asyncio
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import date
from functools import partial
from signal import SIGKILL
from typing import Any

import msgspec
from starlette.applications import Starlette

from console.control import control_routes, engine_routes
from console.engine.confinement import confine
from console.engine.order import EngineState, Order, Word
from console.process import finish, first_done, run_until_first, stop_on_signals, watched
from console.sqldoor.door import create_door
from console.sqldoor.overdue import OverdueQueries
from consumers.supervisor import Supervisor
from rollcall.errors import (
    LogUnavailableError,
    RollcallError,
    SettingsError,
    WarehouseHeldError,
    WarehouseUnavailableError,
)
from rollcall.forgotten_accounts import forgotten_in
from rollcall.http.server import serve
from rollcall.logs import logger
from rollcall.runtime import StoredRuntime, opened, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.embedded_backup import back_up
from rollcall.warehouse.engines import Embedded, parse_warehouse_url
from rollcall.warehouse.erasure import erase_forgotten, forget_by_age, remember_forgotten, search
from rollcall.warehouse.rebuild import rebuild_site

CONSUMER_STOP_SECONDS = 20.0
"""How long a consumer may take to finish its batch at a stop; what is not committed is read again."""

DOOR_DRAIN = 5.0
"""Seconds that queries in flight get to finish at a stop."""

STOP_SECONDS = CONSUMER_STOP_SECONDS + DOOR_DRAIN + 10.0
"""How long the whole engine may take to end."""

log = logger(__name__)

_LOOPBACK = "127.0.0.1:0"

_LOOK_SECONDS = 0.2

_QUERIES = (
    "SELECT query_id, memory_usage FROM system.processes WHERE Settings['readonly'] = '1' AND NOT is_cancelled "
    "ORDER BY memory_usage DESC"
)
"""Those of the doors: their connections alone are read-only."""
_STDIN = 0
_PR_SET_PDEATHSIG = 1


def read_order() -> Order:
    """Read the front's order, and see that this process ends with the front.

    Raises:
        SettingsError: There is none: somebody typed the command.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        # Not sys.stdin: a thread that waits in its buffer would break the end of the process.
        if not (piece := os.read(_STDIN, 65536)):
            raise SettingsError("`rollcall engine` is started by `rollcall up` alone")
        line += piece
    order = msgspec.json.decode(line, type=Order)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != order.front:  # it went before that was set
            os._exit(1)
    return order


def say(word: Word) -> None:
    """Tell the front something."""
    os.write(1, msgspec.json.encode(word) + b"\n")


def confine_engine(order: Order) -> None:
    """Leave this process the files and ports that the engine needs, and no others."""
    if lacking := confine(Settings(**order.settings)):
        log.warning("the kernel does not confine the engine whole", free=lacking)
    os.chdir("/")  # the engine looks for a config.xml where it is


async def run_engine(order: Order) -> None:
    """Hold the embedded files, consume and answer queries until the front closes the pipe, or a signal comes.

    Raises:
        RollcallError: It could not start, or it had to stop; the front has been told.
    """
    try:
        await _run(Settings(**order.settings), order)
    except RollcallError as error:
        away = isinstance(error, LogUnavailableError | WarehouseUnavailableError)
        passing = away and not isinstance(error, WarehouseHeldError)
        say(Word(trouble=str(error), settings_trouble=isinstance(error, SettingsError), passing=passing))
        raise


async def _run(settings: Settings, order: Order) -> None:
    stop = stop_on_signals()
    _stop_with_front(asyncio.get_running_loop(), stop)
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(opened(settings, "rollcall up engine"))
        warehouse = await stack.enter_async_context(opened_warehouse(settings, "rollcall up", order.front))
        runtime = events.with_warehouse(warehouse)
        pipeline = Supervisor(runtime, migrates=True)
        consumers_stop = asyncio.Event()
        consumers = watched("consumers", pipeline.run(consumers_stop, carry_on=True))
        try:
            parts = (_tell(pipeline, order.token, stop), _answer_queries(runtime, pipeline, order, stop))
            serving = asyncio.create_task(run_until_first(stop, *parts))
            await first_done(stop, serving, consumers)
            await finish(serving, DOOR_DRAIN + 5.0, "serving")
        finally:
            consumers_stop.set()
            await finish(consumers, CONSUMER_STOP_SECONDS, "consumers")


def _stop_with_front(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def wait() -> None:
        while os.read(_STDIN, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)
        time.sleep(STOP_SECONDS)
        os._exit(1)  # something hangs, and nobody would end it where the system does not

    threading.Thread(target=wait, name="front", daemon=True).start()


async def _tell(pipeline: Supervisor, token: str, stop: asyncio.Event) -> None:
    """Tell the front how it goes."""

    async def state() -> EngineState:
        try:
            await pipeline.check()
        except RollcallError as error:
            return EngineState(str(error))
        return EngineState()

    await serve(
        Starlette(routes=engine_routes(token, state)),
        _LOOPBACK,
        drain_timeout=1.0,
        ready=lambda port: say(Word(state_url=f"http://127.0.0.1:{port}")),
        stop=stop,
    )


async def _answer_queries(runtime: StoredRuntime, pipeline: Supervisor, order: Order, stop: asyncio.Event) -> None:
    """Open the SQL doors once the schema is there."""
    settings, warehouse = runtime.settings, runtime.warehouse
    address, holder = parse_warehouse_url(settings.warehouse_url), warehouse.holder
    waiting = [asyncio.ensure_future(event.wait()) for event in (pipeline.prepared, stop)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if stop.is_set() or not isinstance(address, Embedded) or holder is None:
        return

    # Days that a rebuild computed before somebody was forgotten are not to be swapped in after that.
    one_at_a_time = asyncio.Lock()

    async def rebuild(site: str, days: Sequence[date] | None) -> list[str]:
        async with one_at_a_time:
            months = await rebuild_site(warehouse, site, settings.sites[site].timezone, days, settings.seats)
            async with pipeline.erasing():
                await forget_by_age(warehouse, settings.privacy, settings.sites, settings.seats)
            return months

    async def erase(entries: Sequence[tuple[str, str]]) -> dict[str, int]:
        async with one_at_a_time, pipeline.erasing():
            await remember_forgotten(warehouse, set(entries) - (await forgotten_in(warehouse)).asked.entries)
            return await erase_forgotten(warehouse, settings.sites, settings.seats)

    silent = 2 if settings.sql_listen else 1

    def listens() -> None:
        nonlocal silent
        silent -= 1
        if not silent:
            say(Word(up=True))

    def own_listens(port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        holder.announce(url, order.token)
        say(Word(sql_url=url))
        listens()

    overdue = OverdueQueries(lambda queries: say(Word(overdue=queries)))
    door = partial(create_door, address, control_token=order.token, limits=order.limits, overdue=overdue)
    routes = control_routes(order.token, rebuild, erase, partial(search, warehouse), partial(back_up, warehouse))
    own = door(listen=_LOOPBACK, token=order.token, control=routes)
    capped = _cap_memory(warehouse, order.limits.memory_together, lambda: overdue.under_way > 0, stop)
    parts = [_serve(own, _LOOPBACK, order, own_listens, stop), capped]
    if settings.sql_listen:
        public = door(
            listen=settings.sql_listen,
            token=settings.sql_secret(),
            unprotected=settings.sql_unprotected,
            audit=settings.audits(settings.sql_listen),
        )
        parts.append(_serve(public, settings.sql_listen, order, lambda _: listens(), stop))
    await run_until_first(stop, *parts)


def _serve(
    door: Starlette, address: str, order: Order, ready: Callable[[int], None], stop: asyncio.Event
) -> Coroutine[Any, Any, None]:
    return serve(
        door,
        address,
        setting="sql_listen",
        drain_timeout=DOOR_DRAIN,
        ready=ready,
        stop=stop,
        connections=order.limits.connections,
    )


async def _cap_memory(warehouse: Warehouse, most: int, under_way: Callable[[], bool], stop: asyncio.Event) -> None:
    """End the largest query whenever all of them hold more than they may; until `stop` is set.

    The engine has a cap of its own for each query. One for all that queries of its user hold would count the writer's.

    Args:
        warehouse: The warehouse that is queried.
        most: Bytes that all queries may hold.
        under_way: Tells whether there are any.
        stop: Ends it.
    """
    while not stop.is_set():
        if under_way():
            try:
                await _end_largest(warehouse, most)
            except RollcallError as error:
                log.warning("the memory of queries cannot be measured", cause=str(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await stop.wait()


async def _end_largest(warehouse: Warehouse, most: int) -> None:
    queries = await warehouse.query(_QUERIES)
    held = sum(query["memory_usage"] for query in queries)
    if held > most:
        log.warning("queries hold more memory than all together may, so the largest is ended", bytes=held)
        largest = {"id": queries[0]["query_id"]}
        await warehouse.command("KILL QUERY WHERE query_id = {id:String} ASYNC", largest)
