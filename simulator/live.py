"""Sends webhooks as the site's clock reaches them: to every registration, the past first and without waiting."""

import asyncio
import logging
from collections.abc import AsyncIterator

from simulator.hooks.delivery import Announcer, Delivery
from simulator.life.stream import acts
from simulator.rest.filters import lets_through
from simulator.rest.registry import Webhook
from simulator.rest.state import Site
from simulator.sender.clock import ScaledClock
from simulator.sender.disorder import Disorder
from simulator.sender.hosts import Hosts
from simulator.sender.sender import Sender

_LOOK_S = 0.05
"""Real seconds between two looks at the clock and the registrations."""


class LiveFeed:
    """Keeps one sender for each registered webhook of a site; all share what Jira keeps for a host."""

    def __init__(self, site: Site, disorder: Disorder, time_scale: float) -> None:
        """Prepare; `run` does the work."""
        self._site = site
        self._disorder = disorder
        self._clock = ScaledClock(time_scale)
        self._hosts = Hosts(self._clock.now)
        self._announcer = Announcer(site.config)
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, history_for: int = 0) -> None:
        """Send until cancelled.

        A webhook gets what happens after its registration; the one numbered ``history_for`` gets the history too.
        """
        site = self._site
        try:
            while True:
                for webhook in list(site.registry.webhooks.values()):
                    if webhook.id not in self._tasks:
                        since = site.config.start_ms if webhook.id == history_for else site.clock.now()
                        task = asyncio.create_task(self._serve(webhook, since))
                        task.add_done_callback(_complain)
                        self._tasks[webhook.id] = task
                for number in set(self._tasks) - set(site.registry.webhooks):
                    self._tasks.pop(number).cancel()
                await asyncio.sleep(_LOOK_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _serve(self, webhook: Webhook, since: int) -> None:
        sender = Sender(
            webhook,
            registration=webhook.id,
            disorder=self._disorder,
            clock=self._clock,
            hosts=self._hosts,
        )
        self._site.deliveries.append(sender.stats)
        await sender.send_as_it_comes(self._due(webhook, since))

    async def _due(self, webhook: Webhook, since: int) -> AsyncIterator[Delivery]:
        """Yield the deliveries to a webhook, each when the site's clock has reached its act."""
        for act in acts(self._site.config, since):
            while self._site.clock.now() < act.at:  # noqa: ASYNC110 - the clock may be pushed, it tells nobody
                await asyncio.sleep(_LOOK_S)
            for delivery in self._announcer.deliveries(act):
                wanted = webhook.enabled and delivery.event in webhook.events
                if wanted and lets_through(self._site, webhook, delivery.event, act.issue, act.at):
                    yield delivery


def _complain(task: asyncio.Task[None]) -> None:
    """Say why sending to a webhook has ended, when nobody ended it."""
    if not task.cancelled() and (error := task.exception()):
        logging.getLogger("simulator").error("sending webhooks has failed", exc_info=error)
