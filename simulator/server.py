"""Serves a site on a port of this machine and sends its webhooks: for the command line, and inside a test.

Webhooks are sent as the site's clock reaches them: to every registration, the past first and without waiting.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Generator

import uvicorn

from simulator.clock import ScaledClock
from simulator.hooks.delivery import Announcer, Delivery
from simulator.hooks.host import Hosts
from simulator.hooks.registry import Webhook
from simulator.hooks.sender import Disorder, Sender
from simulator.life.stream import acts
from simulator.rest.admin_webhooks import passes_filter
from simulator.rest.app import build_app
from simulator.rest.site import Site

_POLL_S = 0.05
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
                        task.add_done_callback(_log_failure)
                        self._tasks[webhook.id] = task
                for number in set(self._tasks) - set(site.registry.webhooks):
                    self._tasks.pop(number).cancel()
                await asyncio.sleep(_POLL_S)
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
            while self._site.clock.now() < act.at:  # noqa: ASYNC110 - the clock may be advanced, and wakes nobody
                await asyncio.sleep(_POLL_S)
            for delivery in self._announcer.deliveries(act):
                wanted = webhook.enabled and delivery.event in webhook.events
                if wanted and passes_filter(self._site, webhook, delivery.event, act.issue, act.at):
                    yield delivery


def _log_failure(task: asyncio.Task[None]) -> None:
    """Say why sending to a webhook has ended, when nobody ended it."""
    if not task.cancelled() and (error := task.exception()):
        logging.getLogger("simulator").error("sending webhooks has failed", exc_info=error)


HOST = "127.0.0.1"


def listen(port: int = 0) -> socket.socket:
    """Bind a port on the loopback address; 0 takes any free one."""
    # asyncio sends at once only on sockets that know their protocol; else every answer waits 40 ms for an ACK.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


@contextlib.asynccontextmanager
async def running(
    site: Site, *, port: int = 0, disorder: Disorder | None = None, time_scale: float = 1.0, history_for: int = 0
) -> AsyncIterator[str]:
    """Serve a site and send its webhooks while the context lasts; yields its address, such as http://127.0.0.1:49152.

    Args:
        site: The site.
        port: Where to listen; 0 for any free port.
        disorder: What happens to webhooks on their way.
        time_scale: Simulated seconds in a real one, for webhook retries.
        history_for: Number of the registered webhook that gets the history too; 0 for none.
    """
    site.now()  # reads the history into the index, so that the first request need not wait for it
    bound = listen(port)
    # The Date of an answer is of the site's clock.
    quiet = uvicorn.Config(build_app(site), log_level="warning", access_log=False, lifespan="off", date_header=False)
    server = _Server(quiet)
    feed = LiveFeed(site, disorder or Disorder(), time_scale)
    tasks = [asyncio.create_task(server.serve(sockets=[bound])), asyncio.create_task(feed.run(history_for))]
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag, no event
            await asyncio.sleep(0.01)
        yield f"http://{HOST}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bound.close()


def run(
    site: Site, ready: Callable[[str], None], *, port: int, disorder: Disorder, time_scale: float, history: int
) -> None:
    """Serve until interrupted. ``ready`` is called with the address as soon as the site answers."""

    async def main() -> None:
        async with running(site, port=port, disorder=disorder, time_scale=time_scale, history_for=history) as address:
            ready(address)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
