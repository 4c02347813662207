"""Runs a site on a port of this machine: for the command line, and inside a test."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Generator

import uvicorn

from simulator.live import LiveFeed
from simulator.rest.app import build_app
from simulator.rest.state import Site
from simulator.sender.disorder import Disorder

HOST = "127.0.0.1"


def listen(port: int = 0) -> socket.socket:
    """Bind a port on the loopback address; 0 takes any free one."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
    server = _Server(uvicorn.Config(build_app(site), log_level="warning", access_log=False, lifespan="off"))
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
    """Serve until interrupted. ``ready`` is told the address as soon as the site answers."""

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
