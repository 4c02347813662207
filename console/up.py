"""``rollcall up``: ingest, consumers, SQL door and upkeep in one process."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack

from console.announce import say_ready
from console.command import DONE, Config, require_sites, run
from console.control import control_routes
from console.listening import is_loopback
from console.opening import opened_log, opened_warehouse
from console.parts import CONSUMER_STOP_SECONDS
from console.pipeline import Pipeline
from console.running import in_background
from console.stopping import finish, first_to_end, stop_on_signals
from console.upkeep import measure, retain
from ingest.app import create_app
from ingest.server import serve
from rollcall.eventlog import EventLog
from rollcall.settings import Settings, split_address
from rollcall.topics import topics_of
from rollcall.warehouse import Warehouse


def up(config: Config = None) -> None:
    """Run everything in one process."""

    async def body(settings: Settings) -> int:
        await run_everything(settings, stop_on_signals(), lambda port: say_ready(settings, port))
        return DONE

    run(config, body)


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
    async with AsyncExitStack() as stack:
        event_log = await stack.enter_async_context(opened_log(settings))
        warehouse = await stack.enter_async_context(opened_warehouse(settings, "rollcall up"))
        await stack.enter_async_context(in_background(measure(settings, event_log), retain(settings, event_log)))
        pipeline = Pipeline(settings, event_log, warehouse, migrates=True)
        consumers_stop = asyncio.Event()
        consumers = asyncio.create_task(pipeline.run(consumers_stop, carry_on=True))
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
    pipeline: Pipeline,
    stop: asyncio.Event,
    ready: Callable[[int], None],
) -> None:
    """Take webhooks, and answer queries once the schema is there."""
    checks = {"log": event_log.check, "warehouse": warehouse.ping, "consumers": pipeline.check}
    app = create_app(settings, event_log, topics_of(settings), checks=checks)
    drain = settings.ingest.drain_timeout
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(app, settings.listen, drain_timeout=drain, ready=ready, stop=stop))
        if warehouse.holder and settings.sql_listen:
            group.create_task(_answer_queries(settings, warehouse, pipeline, stop))


async def _answer_queries(settings: Settings, warehouse: Warehouse, pipeline: Pipeline, stop: asyncio.Event) -> None:
    await stop.wait()
