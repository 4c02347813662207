"""What every step of a backfill works with."""

from dataclasses import dataclass

from reconcile.client.jira import JiraClient
from reconcile.facts.maker import Maker
from reconcile.outbox import Outbox
from reconcile.progress import Progress
from reconcile.resume.checkpoint import Checkpoint
from reconcile.resume.memory import Memory


@dataclass(frozen=True, slots=True)
class Work:
    """One run's hands.

    Attributes:
        jira: Asks Jira.
        maker: Makes facts.
        outbox: Takes facts to the log.
        memory: Remembers on disk.
        checkpoint: How far the run is.
        progress: Is told.
        overlap_ms: How far before the window candidates are asked for.
    """

    jira: JiraClient
    maker: Maker
    outbox: Outbox
    memory: Memory
    checkpoint: Checkpoint
    progress: Progress
    overlap_ms: int

    def skip(self, why: str, count: int = 1) -> None:
        """Count something that could not be read."""
        if count:
            self.checkpoint.found.skipped[why] += count

    def unreadable(self) -> None:
        """Count an element of a page that has no form that is known; the run is then incomplete."""
        self.skip(UNREADABLE)

    async def save(self) -> None:
        """Make what was found durable on the log, and only then move the checkpoint.

        Raises LogUnavailableError or CheckpointError.
        """
        await self.outbox.flush()
        self.checkpoint.tally = self.jira.tally
        self.memory.keep(self.checkpoint)


UNREADABLE = "unreadable elements of Jira's answers"
GONE = "gone or hidden since they were listed"
"""Reasons of skips."""
