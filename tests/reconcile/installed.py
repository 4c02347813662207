"""Rollcall's console on a real chDB warehouse, in this process, and webhooks that reach it or do not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from console.control import request_rebuild
from consumers.supervisor import drain
from ingest.handler import translate
from reconcile.run import RunOptions, RunOutcome, run_site
from reconcile.sink import Sink, open_sink
from rollcall.eventlog import Record
from rollcall.records import encode
from rollcall.runtime import Runtime, opened
from rollcall.settings import Settings
from rollcall.warehouse import Row
from simulator.chance import share
from simulator.hooks.delivery import Announcer, Delivery
from simulator.life.stream import acts
from simulator.rest.site import Site

from ..facts import lay_tables
from .site import hurried


@dataclass(frozen=True)
class Installed:
    """The warehouse and the log, open as the command opens them."""

    runtime: Runtime
    found: Sink

    async def reconcile(self, options: RunOptions | None = None) -> RunOutcome:
        options = options or RunOptions()
        sink = replace(self.found, runtime=None) if options.dry_run else self.found
        return await run_site(self.runtime.settings, "acme", options, sink, hurried())

    async def query(self, sql: str) -> list[Row]:
        assert self.found.reader
        return await self.found.reader.query(sql)

    async def webhooks(self, site: Site, comes: Callable[[Delivery], bool]) -> set[str]:
        """Bring the site's webhooks that come, and return the keys of their facts."""
        brought: set[str] = set()
        topic, records = self.runtime.topics.activity.name, list[Record]()
        announcer = Announcer(site.config)
        for act in acts(site.config, site.config.start_ms, site.config.now_ms):
            for delivery in announcer.deliveries(act):
                if comes(delivery):
                    told = translate("acme", delivery.body, delivery.flow, delivery.at + 400)
                    brought.update(fact.event_key for fact in told.facts)
                    records += [Record(encode(fact), fact.event_key.encode()) for fact in told.facts]
        await self.runtime.log.append(topic, records)
        assert await self.found.write() == ""
        return brought


@asynccontextmanager
async def installed(settings: Settings) -> AsyncIterator[Installed]:
    await lay_tables(settings.warehouse_url)
    async with (
        opened(settings, "a test") as runtime,
        open_sink(runtime, drain=drain, request_rebuild=request_rebuild) as found,
    ):
        yield Installed(runtime, found)


def seven_of_ten(delivery: Delivery) -> bool:
    """Lose 30 % of the deliveries, the same ones each time."""
    return share(delivery.number, 77) >= 0.3
