"""What the upper part of the page shows of a site: head counts, chart, the pipeline's state, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from zoneinfo import ZoneInfo

from console.page.headcounts import Headcounts
from console.page.page import Notice
from console.page.pipelinestate import PipelineState


class Stage(Enum):
    """How far a site has come."""

    NO_WEBHOOK = "no webhook yet"
    NOTHING_COUNTED = "webhooks arrive, none counted yet"
    NO_WEBHOOK_BUT_COUNTED = "activity is known, though no webhook has come"
    COUNTING = "webhooks arrive and are counted"


@dataclass(frozen=True, slots=True)
class Overview:
    """The upper part of the page.

    Attributes:
        site: Name of the site.
        zone: Its reporting time zone.
        pipeline: How the pipeline stands.
        notices: What is under way.
        last_webhook: When the last webhook of the site came; None when none is known.
        counts: The head counts; None when the warehouse cannot be asked.
        chart: The chart as SVG; empty with the counts.
        trouble: Why there are no counts.
        now: When this was put together.
    """

    site: str
    zone: ZoneInfo
    pipeline: PipelineState
    notices: Sequence[Notice] = ()
    last_webhook: datetime | None = None
    counts: Headcounts | None = None
    chart: str = ""
    trouble: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def stage(self) -> Stage:
        """How far the site has come."""
        counted = self.counts is not None and self.counts.known
        if self.last_webhook is None:
            return Stage.NO_WEBHOOK_BUT_COUNTED if counted else Stage.NO_WEBHOOK
        return Stage.COUNTING if counted else Stage.NOTHING_COUNTED
