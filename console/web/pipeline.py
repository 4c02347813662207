"""How the pipeline stands: what came in, what waits, what could not be understood, and whether the consumers run.

`Page` is what all of the page is read from.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.dead_letter_queue import DeadLetterQueue
from console.received import Received, read_received
from reconcile.progress import Notice
from rollcall.errors import RollcallError
from rollcall.eventlog import TopicState
from rollcall.metrics import WEBHOOK_LAST, WEBHOOK_REFUSED_LAST, WEBHOOKS
from rollcall.runtime import WAREHOUSE_GROUP, StoredRuntime
from rollcall.warehouse import Warehouse


def at_once() -> bool:
    """The warehouse was prepared by somebody else."""
    return True


def no_notices() -> Sequence[Notice]:
    """Nothing is under way."""
    return ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the page stands on.

    Attributes:
        runtime: The warehouse that the numbers come from, and the log whose state is shown.
        consumers: Raises RollcallError, with the trouble as its text, unless every consumer runs; None in a process
            that has no consumers.
        prepared: Whether the warehouse has its tables; until then the page does not query it.
        notices: What is under way now; called for every view of the page.
        listen: The address that the page is served on, when it is not the one of the settings.
    """

    runtime: StoredRuntime
    consumers: Callable[[], Awaitable[None]] | None = None
    prepared: Callable[[], bool] = at_once
    notices: Callable[[], Sequence[Notice]] = no_notices
    listen: str = ""


_LAST = """
SELECT max(activity_sources.webhook_received_at) AS last FROM activity_sources WHERE site = {site:String}
"""


async def last_webhook_stored(warehouse: Warehouse, site: str) -> datetime | None:
    """Return when the last webhook that brought a fact was received. Raises WarehouseUnavailableError."""
    last: datetime | None = (await warehouse.query(_LAST, {"site": site}))[0]["last"]
    return last


_CREDENTIALS = re.compile(r"://[^/\s@]*@")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PipelineState:
    """How the pipeline stands.

    Attributes:
        waiting: Records on the log that are not in the warehouse yet.
        log_bytes: Size of the log.
        dead_letters: Dead letters that are open.
        log_trouble: Why the log cannot be read; empty when it can, else the numbers above are 0.
        consumer_trouble: Why consumers do not run; empty when they do; None in a process without consumers.
    """

    waiting: int = 0
    log_bytes: int = 0
    dead_letters: int = 0
    log_trouble: str = ""
    consumer_trouble: str | None = None


class PipelineWatch:
    """Looks at the pipeline."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._runtime = page.runtime
        self._queue = DeadLetterQueue(page.runtime)

    async def look(self) -> PipelineState:
        """Return how the pipeline stands now; trouble is part of it, not raised."""
        consumers = await self._consumers()
        try:
            activity, directory, letters = await asyncio.gather(
                *(self._runtime.log.state(topic.name) for topic in self._runtime.topics.all())
            )
            open_letters = await self._queue.count_open(letters)
        except RollcallError as error:
            return PipelineState(log_trouble=plain(error), consumer_trouble=consumers)
        return PipelineState(
            waiting=_waiting(activity) + _waiting(directory),
            log_bytes=activity.bytes + directory.bytes + letters.bytes,
            dead_letters=open_letters,
            consumer_trouble=consumers,
        )

    async def _consumers(self) -> str | None:
        if self._page.consumers is None:
            return None
        try:
            await self._page.consumers()
        except RollcallError as error:
            return plain(error)
        return ""


def plain(error: Exception) -> str:
    """Return an error's text fit for the page: short, and without credentials of any address in it."""
    return _CREDENTIALS.sub("://…@", str(error))[:_LONGEST]


def received_here() -> Received:
    """Return what this process took and refused of webhooks since it began."""
    return read_received([*WEBHOOKS.collect(), *WEBHOOK_LAST.collect(), *WEBHOOK_REFUSED_LAST.collect()])


def _waiting(state: TopicState) -> int:
    return state.lag.get(WAREHOUSE_GROUP, state.records)
