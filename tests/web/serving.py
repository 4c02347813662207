"""The real page over a real chDB warehouse and SQLite log, on a real socket, in a thread of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from console.web.overview import Page
from console.web.routes import page_routes
from ingest.app import create_app
from ingest.endpoint import _last_of
from rollcall.eventlog import EventLog
from rollcall.http.server import serve
from rollcall.metrics import WEBHOOK_LAST, WEBHOOK_REFUSED_LAST
from rollcall.runtime import opened_with_warehouse
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse, migrate, record_sites

from ..threads import begin

T = TypeVar("T")
SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class Served:
    """A page that is served; `ask` runs a coroutine beside it."""

    port: int
    settings: Settings
    warehouse: Warehouse
    event_log: EventLog
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


Seed = Callable[[Settings, Warehouse, EventLog], Awaitable[None]]


async def no_seed(settings: Settings, warehouse: Warehouse, event_log: EventLog) -> None:
    """Nothing has happened yet."""


def settings_of(folder: Path, sites: Mapping[str, Any], page: Mapping[str, Any] | None = None, **more: Any) -> Settings:
    """Settings on files in a folder; the page asks for no secret unless its settings are given: most tests are not
    about who may see it."""
    return Settings.model_validate(
        {
            "log_url": f"sqlite://{folder}/events.db",
            "warehouse_url": f"chdb://{folder}/warehouse",
            "listen": "127.0.0.1:0",
            "sites": dict(sites),
            "page": {"unprotected": True} if page is None else page,
            **more,
        }
    )


def site(name: str, timezone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"url": f"https://{name}.atlassian.net", "webhook_secrets": [SECRET], "timezone": timezone}


@contextmanager
def served(settings: Settings, seed: Seed = no_seed, **page: Any) -> Iterator[Served]:
    """Serve webhooks and page while the context lasts."""
    for metric in (WEBHOOK_LAST, WEBHOOK_REFUSED_LAST):
        metric.clear()  # of other tests in this process
    _last_of.cache_clear()
    found: list[Served] = []
    stops: list[asyncio.Event] = []
    up = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()
        stops.append(stop)
        async with opened_with_warehouse(settings, "a test") as runtime:
            warehouse, event_log = runtime.warehouse, runtime.log
            await migrate(warehouse)
            await record_sites(warehouse, settings.sites)
            await seed(settings, warehouse, event_log)
            routes = page_routes(Page(runtime, **page))
            app = create_app(runtime, checks={}, extra_routes=routes)

            def ready(port: int) -> None:
                found.append(Served(port, settings, warehouse, event_log, asyncio.get_running_loop()))
                up.set()

            not_http = app.state.not_http
            await serve(app, settings.listen, drain_timeout=5, ready=ready, stop=stop, not_http=not_http)

    thread = begin(main, up)
    try:
        assert up.wait(60)
        assert found, "the page could not be served"
        yield found[0]
    finally:
        if found:
            found[0].loop.call_soon_threadsafe(stops[0].set)
        thread.join(60)
        assert not thread.is_alive()
