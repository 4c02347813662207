"""``rollcall ingest``, ``consume`` and ``dashboard``: the parts of `up` as separate processes.

Beside them goes the upkeep of the log: its retention, and its size and lag as metrics.
"""

import asyncio
import sys
import threading
import webbrowser
from functools import partial
from typing import Annotated

import typer
from starlette.applications import Starlette

from console.checks.file_modes import warn_of_open_files
from console.dead_letter_queue import DeadLetterQueue
from console.engine.engine_main import CONSUMER_STOP_SECONDS
from console.process import (
    DONE,
    Config,
    finish,
    first_done,
    in_background,
    require_receiving,
    require_sites,
    run_command,
    run_until_first,
    stop_on_signals,
)
from console.web.access import SIGN_IN_PATH, new_sign_in_token
from console.web.overview import Page
from console.web.routes import page_routes
from consumers.supervisor import Supervisor
from ingest.app import create_app
from rollcall.errors import LogUnavailableError
from rollcall.http.guard import split_address, url_host
from rollcall.http.health import health_routes
from rollcall.http.server import serve
from rollcall.logs import logger
from rollcall.metrics import DEAD_LETTERS_OPEN, LOG_BYTES, LOG_LAG, LOG_RECORDS
from rollcall.runtime import Runtime, opened, opened_with_warehouse
from rollcall.settings import Settings

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


def say_page(listen: str, port: int, once: str, *, open_page: bool = False) -> None:
    """Print to stderr where the page is, and open it in the browser if that is wanted.

    Args:
        listen: The address that it is served on.
        port: The port that was taken.
        once: Token of the one-time sign-in address; empty where there is none.
        open_page: Whether to open it.
    """
    address = page_address(listen, port, once)
    print(f"rollcall: the page is {address}{GOOD_ONCE if once else ''}", file=sys.stderr, flush=True)
    if open_page:
        open_in_browser(address)


GOOD_ONCE = "  (good for one sign-in)"


def open_in_browser(address: str) -> None:
    """Open an address in the browser of whoever sits here, without waiting for it."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def page_address(listen: str, port: int, once: str) -> str:
    """Return the address of the page, by which one signs in where there is a token for that."""
    host, _ = split_address(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not listened on
    return f"http://{url_host(host)}:{port}{SIGN_IN_PATH}?token={once}" if once else f"http://{url_host(host)}:{port}/"


OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]

_MEASURE_SECONDS = 5.0


async def measure_log(runtime: Runtime, *, letters: bool = False) -> None:
    """Set the log's metrics, every few seconds, for ever; they are absent while the log cannot be measured.

    Args:
        runtime: The log.
        letters: Whether to count the open dead letters too, for which all of them are read once.
    """
    queue = DeadLetterQueue(runtime) if letters else None
    while True:
        try:
            await _measure(runtime, queue)
        except LogUnavailableError as error:
            _unmeasured()
            log.warning("log cannot be measured", cause=str(error))
        except Exception:  # of ours: the next round may fare better, and nobody else watches this one
            _unmeasured()
            log.exception("measuring the log failed; please report it")
        await asyncio.sleep(_MEASURE_SECONDS)


async def retain_log(runtime: Runtime) -> None:
    """Remove what retention allows, now and then, for ever."""
    while True:
        await asyncio.sleep(runtime.settings.retention.every_seconds)
        try:
            if removed := await runtime.log.retain():
                log.info("old records removed from the log", records=removed)
        except LogUnavailableError as error:
            log.warning("old records stay on the log for now", cause=str(error))
        except Exception:  # of ours, as above
            log.exception("removing old records from the log failed; please report it")


async def _measure(runtime: Runtime, queue: DeadLetterQueue | None) -> None:
    for topic in runtime.topics.all():
        state = await runtime.log.state(topic.name)
        LOG_RECORDS.labels(topic.name).set(state.records)
        LOG_BYTES.labels(topic.name).set(state.bytes)
        for group, lag in state.lag.items():
            LOG_LAG.labels(topic.name, group).set(lag)
        if queue and topic == runtime.topics.deadletter:
            DEAD_LETTERS_OPEN.labels(topic.name).set(await queue.count_open(state))


def _unmeasured() -> None:
    """Remove the series: an old value would look like a measured one, and NaN spoils the sums of whoever scrapes it."""
    for metric in (LOG_RECORDS, LOG_BYTES, LOG_LAG, DEAD_LETTERS_OPEN):
        metric.clear()


def ingest(config: Config = None) -> None:
    """Receive webhooks and put their facts on the event log."""

    async def body(settings: Settings) -> int:
        require_receiving(settings)
        warn_of_open_files(settings, config)
        async with (
            opened(settings, "rollcall ingest") as runtime,
            in_background(measuring=partial(measure_log, runtime)),
        ):
            app = create_app(runtime, checks={"log": runtime.log.check})
            await serve(
                app,
                settings.listen,
                drain_timeout=settings.ingest.drain_timeout,
                ready=lambda port: say_ready(settings, port),
                stop=stop_on_signals(),
                not_http=app.state.not_http,
            )
        return DONE

    run_command(config, body)


def consume(config: Config = None) -> None:
    """Write what is on the event log into the warehouse."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        warn_of_open_files(settings, config)
        stop = stop_on_signals()
        async with (
            opened_with_warehouse(settings, "rollcall consume") as runtime,
            in_background(measuring=partial(measure_log, runtime), retention=partial(retain_log, runtime)),
        ):
            pipeline = Supervisor(runtime, migrates=False)
            parts = [pipeline.run(stop, carry_on=False)]
            if settings.consumer.listen:
                checks = {"log": runtime.log.check, "warehouse": runtime.warehouse.ping, "consumers": pipeline.check}
                health = Starlette(
                    routes=health_routes(checks, listen=settings.consumer.listen, token=settings.metrics_secret())
                )
                health.router.redirect_slashes = False
                parts.append(
                    serve(health, settings.consumer.listen, setting="consumer.listen", drain_timeout=1.0, stop=stop)
                )
            working = asyncio.create_task(run_until_first(stop, *parts))
            await first_done(stop, working)
            await finish(working, CONSUMER_STOP_SECONDS, "consumers")
        return DONE

    run_command(config, body)


_DRAIN = 5.0
"""Seconds that answers in the making get at a stop."""


def dashboard(open_page: OpenOption = False, config: Config = None) -> None:
    """Show the page on `page.listen`, where ingest and consumers are processes of their own. `up` has it already."""

    async def body(settings: Settings) -> int:
        require_sites(settings)
        warn_of_open_files(settings, config)
        listen = settings.page.listen
        once, token = new_sign_in_token(settings, listen), settings.metrics_secret()
        async with (
            opened_with_warehouse(settings, "rollcall dashboard", write=False) as runtime,
            in_background(measuring=partial(measure_log, runtime, letters=True)),
        ):
            page = page_routes(Page(runtime, listen=listen, once=once))
            checks = {"log": runtime.log.check, "warehouse": runtime.warehouse.ping}
            app = Starlette(routes=[*health_routes(checks, listen=listen, token=token), *page])
            app.router.redirect_slashes = False
            await serve(
                app,
                listen,
                setting="page.listen",
                drain_timeout=_DRAIN,
                ready=lambda port: say_page(listen, port, once, open_page=open_page),
                stop=stop_on_signals(),
            )
        return DONE

    run_command(config, body)
