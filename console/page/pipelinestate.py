"""How the pipeline stands: what came in, what waits, what could not be understood, and whether the consumers run."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from console.page.openletters import OpenLetters
from console.page.page import Page
from rollcall.errors import RollcallError
from rollcall.eventlog import TopicState
from rollcall.metrics import WEBHOOK_LAST
from rollcall.topics import WAREHOUSE_GROUP, topics_of

_CREDENTIALS = re.compile(r"://[^/\s@]*@")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PipelineState:
    """How the pipeline stands.

    Attributes:
        waiting: Records on the log that are not in the warehouse yet.
        log_bytes: Size of the log.
        letters: Dead letters that are open.
        log_trouble: Why the log cannot be asked; empty when it can, else the numbers above are 0.
        consumer_trouble: Why consumers do not run; empty when they do; None in a process without consumers.
    """

    waiting: int = 0
    log_bytes: int = 0
    letters: int = 0
    log_trouble: str = ""
    consumer_trouble: str | None = None


class PipelineWatch:
    """Looks at the pipeline."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._topics = topics_of(page.settings)
        self._letters = OpenLetters(page.event_log, self._topics.deadletter.name)

    async def look(self) -> PipelineState:
        """Return how the pipeline stands now; trouble is told, not raised."""
        consumers = await self._consumers()
        try:
            activity, directory, letters = await asyncio.gather(
                *(self._page.event_log.state(topic.name) for topic in self._topics.all())
            )
            open_letters = await self._letters.count(letters)
        except RollcallError as error:
            return PipelineState(log_trouble=plain(error), consumer_trouble=consumers)
        return PipelineState(
            waiting=_waiting(activity) + _waiting(directory),
            log_bytes=activity.bytes + directory.bytes + letters.bytes,
            letters=open_letters,
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


def accepted_here(site: str) -> datetime | None:
    """Return when this process last accepted a webhook of a site; None when it has not."""
    for metric in WEBHOOK_LAST.collect():
        for sample in metric.samples:
            if sample.labels.get("site") == site and sample.value:
                return datetime.fromtimestamp(sample.value, UTC)
    return None


def _waiting(state: TopicState) -> int:
    return state.lag.get(WAREHOUSE_GROUP, state.records)
