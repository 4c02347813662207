"""``rollcall up``: ingest, consumers, SQL door and upkeep in one process."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import date
from functools import partial

from console.commands.services import CONSUMER_STOP_SECONDS, measure_log, retain_log, say_ready
from console.control import control_routes
from console.process import (
    DONE,
    Config,
    finish,
    first_done,
    in_background,
    require_sites,
    require_tokens,
    run_command,
    run_until_first,
    stop_on_signals,
    watched,
)
from console.sqldoor.door import create_door
from console.web.overview import Page
from console.web.routes import page_routes
from consumers.supervisor import Supervisor
from ingest.app import create_app
from reconcile.schedule import Schedule
from rollcall.http.guard import split_address, url_host
from rollcall.http.server import serve
from rollcall.runtime import StoredRuntime, opened_with_warehouse
from rollcall.settings import Settings
from rollcall.warehouse.engines import Holder
from rollcall.warehouse.rebuild import rebuild_site

_DOOR_DRAIN = 5.0
"""Seconds that queries in flight get to finish at a stop."""


def up(config: Config = None) -> None:
    """Run everything in one process."""

    async def body(settings: Settings) -> int:
        await run_everything(settings, stop_on_signals(), lambda port: say_ready(settings, port))
        return DONE

    run_command(config, body)


async def run_everything(settings: Settings, stop: asyncio.Event, ready: Callable[[int], None]) -> None:
    """Run ingest, consumers, SQL door and upkeep until `stop` is set.

    At the stop the webhooks in flight are answered first, then the consumers finish their batch, then the files
    are closed.

    Args:
        settings: The settings.
        stop: Ends it.
        ready: Called with the port once webhooks are taken.

    Raises:
        RollcallError: It could not start, or it had to stop.
    """
    require_sites(settings)
    require_tokens(settings)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(opened_with_warehouse(settings, "rollcall up"))
        upkeep = in_background(measuring=partial(measure_log, runtime), retention=partial(retain_log, runtime))
        await stack.enter_async_context(upkeep)
        pipeline = Supervisor(runtime, migrates=True)
        consumers_stop = asyncio.Event()
        consumers = watched("consumers", pipeline.run(consumers_stop, carry_on=True))
        try:
            serving = asyncio.create_task(_serve(runtime, pipeline, stop, ready))
            await first_done(stop, serving, consumers)
            await finish(serving, settings.ingest.drain_timeout + 5.0, "serving")
        finally:
            consumers_stop.set()
            await finish(consumers, CONSUMER_STOP_SECONDS, "consumers")


async def _serve(
    runtime: StoredRuntime, pipeline: Supervisor, stop: asyncio.Event, ready: Callable[[int], None]
) -> None:
    """Take webhooks, show the page, and answer queries once the schema is there."""
    settings, warehouse = runtime.settings, runtime.warehouse
    checks = {"log": runtime.log.check, "warehouse": warehouse.ping, "consumers": pipeline.check}
    runs = Schedule(runtime)
    page = Page(runtime, consumers=pipeline.check, prepared=pipeline.prepared.is_set, notices=runs.notices)
    app = create_app(
        runtime,
        checks=checks,
        notes={"reconcile": runs.state},
        extra_routes=page_routes(page),
    )
    drain = settings.ingest.drain_timeout
    not_http = app.state.not_http
    parts = [serve(app, settings.listen, drain_timeout=drain, ready=ready, stop=stop, not_http=not_http)]
    if warehouse.holder and settings.sql_listen:
        parts.append(_answer_queries(runtime, warehouse.holder, pipeline, stop))
    async with in_background(daily_runs=partial(_reconcile_daily, runs, pipeline)):
        await run_until_first(stop, *parts)


async def _reconcile_daily(runs: Schedule, pipeline: Supervisor) -> None:
    await pipeline.prepared.wait()
    await runs.run()


async def _answer_queries(runtime: StoredRuntime, holder: Holder, pipeline: Supervisor, stop: asyncio.Event) -> None:
    """Open the SQL door, where other commands also request a rebuild while this process holds the files."""
    settings = runtime.settings
    await pipeline.prepared.wait()
    token = secrets.token_urlsafe(32)
    host, _ = split_address(settings.sql_listen)

    async def rebuild(site: str, days: Sequence[date] | None) -> list[str]:
        return await rebuild_site(runtime.warehouse, site, settings.sites[site].timezone, days)

    door = create_door(
        holder.address,
        listen=settings.sql_listen,
        token=settings.sql_secret(),
        control_token=token,
        control=control_routes(token, rebuild),
    )
    await serve(
        door,
        settings.sql_listen,
        setting="sql_listen",
        drain_timeout=_DOOR_DRAIN,
        ready=lambda port: holder.announce(f"http://{url_host(host)}:{port}", token),
        stop=stop,
    )
