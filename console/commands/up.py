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
    first_to_end,
    in_background,
    require_sites,
    require_tokens,
    run_command,
    stop_on_signals,
    together,
    watched,
)
from console.sqldoor.door import create_door
from console.web.pipeline import Page
from console.web.routes import page_routes
from consumers.supervisor import Supervisor
from ingest.app import create_app
from reconcile.schedule import Schedule
from rollcall.eventlog import EventLog
from rollcall.http.listener import split_address, url_host
from rollcall.http.server import serve
from rollcall.runtime import opened_log, opened_warehouse
from rollcall.settings import Settings
from rollcall.topics import topics_of
from rollcall.warehouse import Warehouse
from rollcall.warehouse.lock import Holder
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
        event_log = await stack.enter_async_context(opened_log(settings))
        warehouse = await stack.enter_async_context(opened_warehouse(settings, "rollcall up"))
        upkeep = in_background(
            measuring=partial(measure_log, settings, event_log), retention=partial(retain_log, settings, event_log)
        )
        await stack.enter_async_context(upkeep)
        pipeline = Supervisor(settings, event_log, warehouse, migrates=True)
        consumers_stop = asyncio.Event()
        consumers = watched("consumers", pipeline.run(consumers_stop, carry_on=True))
        try:
            serving = asyncio.create_task(_serve(settings, event_log, warehouse, pipeline, stop, ready))
            await first_to_end(stop, serving, consumers)
            await finish(serving, settings.ingest.drain_timeout + 5.0, "serving")
        finally:
            consumers_stop.set()
            await finish(consumers, CONSUMER_STOP_SECONDS, "consumers")


async def _serve(
    settings: Settings,
    event_log: EventLog,
    warehouse: Warehouse,
    pipeline: Supervisor,
    stop: asyncio.Event,
    ready: Callable[[int], None],
) -> None:
    """Take webhooks, show the page, and answer queries once the schema is there."""
    checks = {"log": event_log.check, "warehouse": warehouse.ping, "consumers": pipeline.check}
    runs = Schedule(settings, event_log, warehouse)
    page = Page(
        settings,
        warehouse,
        event_log,
        consumers=pipeline.check,
        prepared=pipeline.prepared.is_set,
        notices=runs.notices,
    )
    app = create_app(
        settings,
        event_log,
        topics_of(settings),
        checks=checks,
        notes={"reconcile": runs.state},
        extra_routes=page_routes(page),
    )
    drain = settings.ingest.drain_timeout
    parts = [serve(app, settings.listen, drain_timeout=drain, ready=ready, stop=stop)]
    if warehouse.holder and settings.sql_listen:
        parts.append(_answer_queries(settings, warehouse, warehouse.holder, pipeline, stop))
    async with in_background(daily_runs=partial(_reconcile_daily, runs, pipeline)):
        await together(stop, *parts)


async def _reconcile_daily(runs: Schedule, pipeline: Supervisor) -> None:
    await pipeline.prepared.wait()
    await runs.run()


async def _answer_queries(
    settings: Settings, warehouse: Warehouse, holder: Holder, pipeline: Supervisor, stop: asyncio.Event
) -> None:
    """Open the SQL door, where other commands also ask for a rebuild while this process holds the files."""
    await pipeline.prepared.wait()
    token = secrets.token_urlsafe(32)
    host, _ = split_address(settings.sql_listen)

    async def rebuild(site: str, days: Sequence[date] | None) -> list[str]:
        return await rebuild_site(warehouse, settings, site, days)

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
