"""How far the demo's history has come, on a terminal or line by line."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from console.demo.saying import say
from rollcall.metrics import WEBHOOKS

_LINE_SECONDS = 5.0


@asynccontextmanager
async def history_progress() -> AsyncIterator[None]:
    """Show how many webhooks were taken while the block runs."""
    shown = asyncio.create_task(_on_terminal() if sys.stderr.isatty() else _in_lines())
    try:
        yield
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)
        say(f"{webhooks_taken()} webhooks taken")


def webhooks_taken() -> int:
    """Return how many webhooks this process has answered."""
    return int(
        sum(
            sample.value for family in WEBHOOKS.collect() for sample in family.samples if sample.name.endswith("_total")
        )
    )


async def _on_terminal() -> None:
    with Console(stderr=True).status("filling the history") as status:
        while True:
            status.update(f"filling the history: {webhooks_taken()} webhooks taken")
            await asyncio.sleep(0.2)


async def _in_lines() -> None:
    while True:
        await asyncio.sleep(_LINE_SECONDS)
        say(f"filling the history, {webhooks_taken()} webhooks so far")
