"""``rollcall dashboard``: the page as a process of its own, beside `ingest` and `consume`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette

from console.command import DONE, Config, require_sites, run
from console.listening import bracketed
from console.opening import opened_log
from console.page.page import Page
from console.page.routes import page_routes
from console.reading import open_for_reading
from console.running import in_background
from console.stopping import stop_on_signals
from console.upkeep import measure
from ingest.health import health_routes
from ingest.server import serve
from rollcall.settings import Settings, split_address
from rollcall.warehouse import Warehouse

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
            in_background(measuring=partial(measure, settings, event_log)),
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

    run(config, body)


@asynccontextmanager
async def _reading(settings: Settings) -> AsyncIterator[Warehouse]:
    warehouse = await open_for_reading(settings, "rollcall dashboard")
    try:
        yield warehouse
    finally:
        await warehouse.close()


def _say_ready(listen: str, port: int) -> None:
    host, _ = split_address(listen)
    print(f"rollcall: the page is http://{bracketed(host)}:{port}/", file=sys.stderr, flush=True)
