"""``rollcall ingest`` and ``rollcall consume``: the parts of `up` as separate processes."""

import asyncio
from functools import partial

from starlette.applications import Starlette

from console.announce import say_ready
from console.command import DONE, Config, require_sites, run
from console.opening import opened_log, opened_warehouse
from console.pipeline import Pipeline
from console.running import in_background, together
from console.stopping import finish, first_to_end, stop_on_signals
from console.upkeep import measure, retain
from ingest.app import create_app
from ingest.health import health_routes
from ingest.server import serve
from rollcall.settings import Settings
from rollcall.topics import topics_of

CONSUMER_STOP_SECONDS = 20.0
"""How long a consumer may take to finish its batch at a stop; what is not committed is read again."""


def ingest(config: Config = None) -> None:
    """Receive webhooks and put their facts on the event log."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        async with opened_log(settings) as event_log, in_background(measuring=partial(measure, settings, event_log)):
            app = create_app(settings, event_log, topics_of(settings), checks={"log": event_log.check})
            await serve(
                app,
                settings.listen,
                drain_timeout=settings.ingest.drain_timeout,
                ready=lambda port: say_ready(settings, port),
                stop=stop_on_signals(),
            )
        return DONE

    run(config, body)


def consume(config: Config = None) -> None:
    """Write what is on the event log into the warehouse."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        stop = stop_on_signals()
        async with (
            opened_log(settings) as event_log,
            opened_warehouse(settings, "rollcall consume") as warehouse,
            in_background(
                measuring=partial(measure, settings, event_log), retention=partial(retain, settings, event_log)
            ),
        ):
            pipeline = Pipeline(settings, event_log, warehouse, migrates=False)
            parts = [pipeline.run(stop, carry_on=False)]
            if settings.consumer.listen:
                checks = {"log": event_log.check, "warehouse": warehouse.ping, "consumers": pipeline.check}
                health = Starlette(routes=health_routes(checks))
                parts.append(
                    serve(health, settings.consumer.listen, setting="consumer.listen", drain_timeout=1.0, stop=stop)
                )
            working = asyncio.create_task(together(stop, *parts))
            await first_to_end(stop, working)
            await finish(working, CONSUMER_STOP_SECONDS, "consumers")
        return DONE

    run(config, body)
