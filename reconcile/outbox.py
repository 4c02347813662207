"""Puts facts on the event log in batches, and counts what is new about them."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from reconcile.known import Known, KnownFacts
from reconcile.resume.checkpoint import Found
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import EventLog, Record
from rollcall.logs import logger
from rollcall.records import Activity, encode

log = logger(__name__)

_BATCH = 2000
"""Facts on the way at once: memory stays bounded, and a commit of the log is worth its fsync."""


class Outbox:
    """Facts on their way to the log.

    Args:
        event_log: Where they go; None for a dry run, which only counts.
        topic: The log's topic of facts.
        site: Name of the site in the settings.
        known: What the warehouse knows; asked before a batch is appended. None when it cannot be asked.
        found: The counts.
        zone: The site's reporting time zone, for counts by day.
    """

    def __init__(
        self,
        event_log: EventLog | None,
        topic: str,
        site: str,
        known: KnownFacts | None,
        found: Found,
        zone: tzinfo = UTC,
    ) -> None:
        self.found = found
        self.known = known
        self._log = event_log
        self._topic = topic
        self._site = site
        self._zone = zone
        self._waiting: dict[str, Activity] = {}

    async def add(self, facts: Iterable[Activity]) -> None:
        """Take facts; when the batch is full it goes out. Raises LogUnavailableError."""
        for fact in facts:
            earlier = self._waiting.get(fact.event_key)
            if earlier is None or fact.account_id or not earlier.account_id:
                self._waiting[fact.event_key] = fact
            if len(self._waiting) >= _BATCH:
                await self.flush()

    async def flush(self) -> None:
        """Append what waits; when this returns it is durable. Raises LogUnavailableError."""
        if not self._waiting:
            return
        facts, self._waiting = list(self._waiting.values()), {}
        known = await self._lookup([fact.event_key for fact in facts])
        if self._log:
            await self._log.append(self._topic, [Record(encode(fact), fact.event_key.encode()) for fact in facts])
        for fact in facts:
            self._count(fact, known)

    async def _lookup(self, keys: list[str]) -> dict[str, Known] | None:
        if self.known is None:
            return None
        try:
            return dict(await self.known.lookup(self._site, keys))
        except WarehouseUnavailableError as error:
            log.warning("the warehouse cannot be compared with", site=self._site, cause=str(error))
            self.known = None
            return None

    def _count(self, fact: Activity, known: dict[str, Known] | None) -> None:
        found, kind = self.found, f"{fact.family} {fact.action}"
        found.facts[kind] += 1
        if known is None:
            found.unjudged += 1
        elif (before := known.get(fact.event_key)) is None:
            found.new[kind] += 1
            found.new_days[f"{datetime.fromtimestamp(fact.occurred_at / 1000, self._zone):%Y-%m-%d}"] += 1
        elif fact.account_id and not before.attributed:
            found.named += 1
        elif not before.rest and before.occurred_at != fact.occurred_at:
            found.retimed += 1
