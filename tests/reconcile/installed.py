"""Rollcall's console on a real chDB warehouse, in this process, and webhooks that reach it or do not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from console.control import ask_to_rebuild
from consumers.supervisor import drain
from ingest.handler import translate
from reconcile.run import RunOptions, RunOutcome, run_site
from reconcile.sink import Sink, open_sink
from rollcall.eventlog import EventLog, Record
from rollcall.records import encode
from rollcall.runtime import opened_log
from rollcall.settings import Settings
from rollcall.topics import topics_of
from rollcall.warehouse import Row
from simulator.chance import share
from simulator.hooks.delivery import Announcer, Delivery
from simulator.life.stream import acts
from simulator.rest.site import Site

from .site import hurried


@dataclass(frozen=True)
class Installed:
    """The warehouse and the log, open as the command opens them."""

    settings: Settings
    log: EventLog
    found: Sink

    async def reconcile(self, options: RunOptions | None = None) -> RunOutcome:
        options = options or RunOptions()
        log = None if options.dry_run else self.log
        return await run_site(self.settings, "acme", options, log, self.found, hurried())

    async def query(self, sql: str) -> list[Row]:
        assert self.found.reader
        return await self.found.reader.query(sql)

    async def webhooks(self, site: Site, comes: Callable[[Delivery], bool]) -> set[str]:
        """Bring the site's webhooks that come, and return the keys of their facts."""
        brought: set[str] = set()
        topic, records = topics_of(self.settings).activity.name, list[Record]()
        announcer = Announcer(site.config)
        for act in acts(site.config, site.config.start_ms, site.config.now_ms):
            for delivery in announcer.deliveries(act):
                if comes(delivery):
                    told = translate("acme", delivery.body, delivery.flow, delivery.at + 400)
                    brought.update(fact.event_key for fact in told.facts)
                    records += [Record(encode(fact), fact.event_key.encode()) for fact in told.facts]
        await self.log.append(topic, records)
        assert await self.found.write() == ""
        return brought


@asynccontextmanager
async def installed(settings: Settings) -> AsyncIterator[Installed]:
    async with opened_log(settings) as log:
        sink = open_sink(settings, log, drain=partial(drain, settings), ask_to_rebuild=ask_to_rebuild)
        async with sink as found:
            yield Installed(settings, log, found)


def seven_of_ten(delivery: Delivery) -> bool:
    """Lose 30 % of the deliveries, the same ones each time."""
    return share(delivery.number, 77) >= 0.3
