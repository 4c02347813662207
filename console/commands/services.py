"""``rollcall ingest``, ``consume`` and ``dashboard``: the parts of `up` as separate processes.

Beside them goes the upkeep of the log: its retention, and its size and lag as metrics.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette

from console.process import (
    DONE,
    Config,
    finish,
    first_to_end,
    in_background,
    require_sites,
    run_command,
    stop_on_signals,
    together,
)
from console.web.pipeline import Page
from console.web.routes import page_routes
from consumers.supervisor import Supervisor
from ingest.app import create_app
from rollcall.errors import LogUnavailableError
from rollcall.eventlog import EventLog
from rollcall.http.health import health_routes
from rollcall.http.listener import split_address, url_host
from rollcall.http.server import serve
from rollcall.logs import logger
from rollcall.metrics import LOG_BYTES, LOG_LAG, LOG_RECORDS
from rollcall.runtime import open_for_reading, opened_log, opened_warehouse
from rollcall.settings import Settings
from rollcall.topics import topics_of
from rollcall.warehouse import Warehouse

log = logger(__name__)


def say_ready(settings: Settings, port: int) -> None:
    """Print to stderr where webhooks are taken, one line a site."""
    host, _ = split_address(settings.listen)
    for name, site in settings.sites.items():
        signed = "unsigned" if not site.secrets() else "signed"
        print(
            f"rollcall: taking {signed} webhooks of {site.url} at http://{url_host(host)}:{port}/webhooks/{name}",
            file=sys.stderr,
        )
    sys.stderr.flush()


_MEASURE_SECONDS = 5.0


async def measure_log(settings: Settings, event_log: EventLog) -> None:
    """Set the log's metrics, every few seconds, for ever; they are absent while the log cannot be measured."""
    while True:
        try:
            await _measure(settings, event_log)
        except LogUnavailableError as error:
            _unmeasured()
            log.warning("log cannot be measured", cause=str(error))
        except Exception:  # of ours: the next round may fare better, and nobody else watches this one
            _unmeasured()
            log.exception("measuring the log failed; please report it")
        await asyncio.sleep(_MEASURE_SECONDS)


async def retain_log(settings: Settings, event_log: EventLog) -> None:
    """Remove what retention allows, now and then, for ever."""
    while True:
        await asyncio.sleep(settings.retention.every_seconds)
        try:
            if removed := await event_log.retain():
                log.info("old records removed from the log", records=removed)
        except LogUnavailableError as error:
            log.warning("old records stay on the log for now", cause=str(error))
        except Exception:  # of ours, as above
            log.exception("removing old records from the log failed; please report it")


async def _measure(settings: Settings, event_log: EventLog) -> None:
    for topic in topics_of(settings).all():
        state = await event_log.state(topic.name)
        LOG_RECORDS.labels(topic.name).set(state.records)
        LOG_BYTES.labels(topic.name).set(state.bytes)
        for group, lag in state.lag.items():
            LOG_LAG.labels(topic.name, group).set(lag)


def _unmeasured() -> None:
    """Remove the series: an old value would look like a measured one, and NaN spoils the sums of those that ask."""
    for metric in (LOG_RECORDS, LOG_BYTES, LOG_LAG):
        metric.clear()


CONSUMER_STOP_SECONDS = 20.0
"""How long a consumer may take to finish its batch at a stop; what is not committed is read again."""


def ingest(config: Config = None) -> None:
    """Receive webhooks and put their facts on the event log."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        async with (
            opened_log(settings) as event_log,
            in_background(measuring=partial(measure_log, settings, event_log)),
        ):
            app = create_app(settings, event_log, topics_of(settings), checks={"log": event_log.check})
            await serve(
                app,
                settings.listen,
                drain_timeout=settings.ingest.drain_timeout,
                ready=lambda port: say_ready(settings, port),
                stop=stop_on_signals(),
            )
        return DONE

    run_command(config, body)


def consume(config: Config = None) -> None:
    """Write what is on the event log into the warehouse."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        stop = stop_on_signals()
        async with (
            opened_log(settings) as event_log,
            opened_warehouse(settings, "rollcall consume") as warehouse,
            in_background(
                measuring=partial(measure_log, settings, event_log), retention=partial(retain_log, settings, event_log)
            ),
        ):
            pipeline = Supervisor(settings, event_log, warehouse, migrates=False)
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

    run_command(config, body)


_DRAIN = 5.0
"""Seconds that answers in the making get at a stop."""


def dashboard(config: Config = None) -> None:
    """Show the page on `page.listen`, where ingest and consumers are processes of their own. `up` has it already."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        listen = settings.page.listen
        async with (
            opened_log(settings) as event_log,
            _reading(settings) as warehouse,
            in_background(measuring=partial(measure_log, settings, event_log)),
        ):
            page = page_routes(Page(settings, warehouse, event_log, listen=listen))
            health = health_routes({"log": event_log.check, "warehouse": warehouse.ping})
            await serve(
                Starlette(routes=[*health, *page]),
                listen,
                setting="page.listen",
                drain_timeout=_DRAIN,
                ready=lambda port: _say_ready(listen, port),
                stop=stop_on_signals(),
            )
        return DONE

    run_command(config, body)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[Warehouse]:
    warehouse = await open_for_reading(settings, "rollcall dashboard")
    try:
        yield warehouse
    finally:
        await warehouse.close()


def _say_ready(listen: str, port: int) -> None:
    host, _ = split_address(listen)
    print(f"rollcall: the page is http://{url_host(host)}:{port}/", file=sys.stderr, flush=True)
