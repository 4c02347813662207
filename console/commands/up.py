"""``rollcall up``: ingest, page, upkeep and the daily run in the front; consumers and SQL door in its engine.

The engine is a process of its own because ClickHouse inside a process ends it when it crashes: the front takes webhooks
all the same. Where the warehouse is a ClickHouse server nothing of it is in this process, and one does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import typer
import uvloop

from console.checks.file_modes import warn_of_open_files
from console.commands.services import OpenOption, measure_log, retain_log, say_page, say_ready
from console.engine.engine_main import CONSUMER_STOP_SECONDS, STOP_SECONDS, confine_engine, read_order, run_engine
from console.engine.engine_process import EngineProcess
from console.process import (
    DONE,
    FAILED,
    WRONG_USAGE,
    Config,
    finish,
    first_done,
    in_background,
    print_error,
    require_receiving,
    require_tokens,
    run_command,
    stop_on_signals,
    watched,
)
from console.web.access import new_sign_in_token
from console.web.overview import Page, at_once
from console.web.routes import page_routes
from consumers.supervisor import Supervisor
from ingest.app import create_app
from reconcile.progress import Notice
from reconcile.schedule import Schedule
from rollcall.errors import RollcallError, SettingsError
from rollcall.http.health import Check, own_metrics
from rollcall.http.server import serve
from rollcall.logs import configure_logging
from rollcall.runtime import Runtime, StoredRuntime, opened, opened_warehouse
from rollcall.settings import Settings
from rollcall.warehouse.engines import Embedded, FrontHold, parse_warehouse_url, require_consistent


def up(open_page: OpenOption = False, config: Config = None) -> None:
    """Run everything: one process that takes webhooks, and one with the embedded engine."""

    async def body(settings: Settings) -> int:
        warn_of_open_files(settings, config)
        once = new_sign_in_token(settings, settings.listen)

        def ready(port: int) -> None:
            say_ready(settings, port)
            say_page(settings.listen, port, once, open_page=open_page)

        await run_everything(settings, stop_on_signals(), ready, once)
        return DONE

    run_command(config, body)


def engine() -> None:
    """Be the engine of an `up`, which alone starts it."""
    code = DONE
    try:
        order = read_order()
        configure_logging(order.settings["log_level"], order.settings.get("log_format", "auto"))
        confine_engine(order)
        uvloop.run(run_engine(order))
    except SettingsError as error:
        print_error(str(error))
        code = WRONG_USAGE
    except RollcallError:  # the front has been told, and tells it
        code = FAILED
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Writing:
    """What writes the log into the warehouse, in this process or the engine's.

    Attributes:
        run: Does it until the event is set.
        stop_seconds: How long that may take to end.
        check: Raises RollcallError unless every consumer runs.
        prepared: Set once the warehouse has its tables.
        shown: What the page stands on.
        runs: The daily runs.
        at_once: Tells whether the page may query the warehouse.
        notices: What the page tells besides.
        metrics: What ``/metrics`` answers.
        notes: What ``/readyz`` says besides.
    """

    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
    stop_seconds: float
    check: Check
    prepared: asyncio.Event
    shown: StoredRuntime
    runs: Schedule
    at_once: Callable[[], bool]
    notices: Callable[[], Sequence[Notice]]
    metrics: Callable[[], Awaitable[bytes]]
    notes: Mapping[str, Callable[[], str]]


async def run_everything(settings: Settings, stop: asyncio.Event, ready: Callable[[int], None], once: str = "") -> None:
    """Run ingest, consumers, SQL door and upkeep until `stop` is set.

    At the stop the webhooks in flight are answered first, then the consumers finish their batch, then the files
    are closed.

    Args:
        settings: The settings.
        stop: Ends it.
        ready: Called with the port once webhooks are taken.
        once: Token of the page's one-time sign-in address; empty where there is none.

    Raises:
        RollcallError: It could not start, or it had to stop.
    """
    require_receiving(settings)
    require_tokens(settings)
    embedded = isinstance(parse_warehouse_url(settings.warehouse_url), Embedded)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(opened(settings, "rollcall up"))
        writing = await stack.enter_async_context((_in_an_engine if embedded else _in_this_process)(runtime))
        upkeep = in_background(
            measuring=partial(measure_log, runtime, letters=True), retention=partial(retain_log, runtime)
        )
        await stack.enter_async_context(upkeep)
        writing_stop = asyncio.Event()
        written = watched("engine" if embedded else "consumers", writing.run(writing_stop))
        try:
            serving = asyncio.create_task(_serve(writing, stop, ready, once))
            await first_done(stop, serving, written)
            await finish(serving, settings.ingest.drain_timeout + 5.0, "serving")
        finally:
            writing_stop.set()
            await finish(written, writing.stop_seconds, "engine" if embedded else "consumers")


@asynccontextmanager
async def _in_an_engine(runtime: Runtime) -> AsyncIterator[_Writing]:
    settings = runtime.settings
    address = parse_warehouse_url(settings.warehouse_url)
    require_consistent(address, settings.warehouse)
    assert isinstance(address, Embedded)  # noqa: S101 - a server needs no engine
    hold = await asyncio.to_thread(FrontHold, address)
    running = EngineProcess(settings)
    runs = Schedule(runtime.with_warehouse(running.patient_warehouse), rebuild=running.rebuild)
    try:
        yield _Writing(
            run=running.run,
            stop_seconds=STOP_SECONDS + 5.0,
            check=running.check,
            prepared=running.prepared,
            shown=runtime.with_warehouse(running.warehouse),
            runs=runs,
            at_once=at_once,  # it says itself when it cannot
            notices=lambda: [*running.notices(), *runs.notices()],
            metrics=running.metrics,
            notes={"reconcile": runs.state, "queries": running.queries},
        )
    finally:
        await running.close()
        hold.close()


@asynccontextmanager
async def _in_this_process(runtime: Runtime) -> AsyncIterator[_Writing]:
    async with opened_warehouse(runtime.settings, "rollcall up") as warehouse:
        stored = runtime.with_warehouse(warehouse)
        pipeline, runs = Supervisor(stored, migrates=True), Schedule(stored)
        yield _Writing(
            run=partial(pipeline.run, carry_on=True),
            stop_seconds=CONSUMER_STOP_SECONDS,
            check=pipeline.check,
            prepared=pipeline.prepared,
            shown=stored,
            runs=runs,
            at_once=pipeline.prepared.is_set,
            notices=runs.notices,
            metrics=own_metrics,
            notes={"reconcile": runs.state},
        )


async def _serve(writing: _Writing, stop: asyncio.Event, ready: Callable[[int], None], once: str) -> None:
    """Take webhooks and show the page, and beside that do the daily runs."""
    runtime, settings = writing.shown, writing.shown.settings
    page = Page(runtime, consumers=writing.check, prepared=writing.at_once, notices=writing.notices, once=once)
    app = create_app(
        runtime,
        checks={"log": runtime.log.check, "warehouse": runtime.warehouse.ping, "consumers": writing.check},
        notes=writing.notes,
        metrics=writing.metrics,
        extra_routes=page_routes(page),
    )
    drain, not_http = settings.ingest.drain_timeout, app.state.not_http
    async with in_background(daily_runs=partial(_reconcile_daily, writing)):
        await serve(app, settings.listen, drain_timeout=drain, ready=ready, stop=stop, not_http=not_http)


async def _reconcile_daily(writing: _Writing) -> None:
    await writing.prepared.wait()
    await writing.runs.run()
