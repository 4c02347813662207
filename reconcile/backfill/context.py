"""The context of a backfill: what every step works with, and what all facts of a run share.

Facts of comments and worklogs are made here, as both steps do: added by the author, last edited by the updateAuthor.
REST knows the last edit only; those between are gone, and with them who made them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconcile.client.jira_client import JiraClient
from reconcile.progress import Progress
from reconcile.publisher import FactPublisher
from reconcile.responses.issues import Comment
from reconcile.responses.membership import Person
from reconcile.state.checkpoint import Checkpoint
from reconcile.state.run_state import RunState
from reconcile.window import Window
from rollcall import identity
from rollcall.jira.values import IssueRef, jira_id, parse_jira_time
from rollcall.records import Action, Activity, Family


class WindowFacts:
    """Makes the facts of one run.

    Args:
        site: Name of the site in the settings.
        window: Facts outside of it are not made.
        learned_at: When the run learns them, epoch ms.
    """

    def __init__(self, site: str, window: Window, learned_at: int) -> None:
        self.window = window
        self._site = site
        self._learned_at = learned_at

    def fact(
        self,
        event_key: str,
        family: Family,
        action: Action,
        who: Person | None,
        at: int,
        place: IssueRef,
        fields: list[str] | None = None,
    ) -> Activity:
        """Make a fact; nobody's when Jira does not say who."""
        account_id = who.known_id if who else ""
        return Activity(
            site=self._site,
            event_key=event_key,
            account_id=account_id,
            account_type=who.known_type if who and account_id else "",
            family=family,
            action=action,
            occurred_at=at,
            issue_id=place.issue_id,
            issue_key=place.issue_key,
            project_key=place.project_key,
            fields=fields or [],
            source="reconcile",
            received_at=self._learned_at,
        )

    def inside(self, moment: int | str | None) -> int | None:
        """Read a moment; None when it lies outside the window.

        Raises:
            ValueError: It is no moment.
        """
        at = parse_jira_time(moment)
        return at if self.window.holds(at) else None


def entry_facts(maker: WindowFacts, kind: identity.Entity, entry: Comment, place: IssueRef) -> Iterator[Activity]:
    """Yield the facts of a comment or worklog that lie in the window.

    An ``updated`` that equals ``created`` is no edit. A worklog's time is when it was logged, never ``started``.

    Raises:
        ValueError: Its id or one of its times is none.
    """
    entity_id = jira_id(entry.id)
    created = parse_jira_time(entry.created)
    if maker.window.holds(created):
        yield maker.fact(identity.created(kind, entity_id), kind, "created", entry.author, created, place)
    updated = created if entry.updated is None else parse_jira_time(entry.updated)
    if updated != created and maker.window.holds(updated):
        key = identity.updated(kind, entity_id, updated)
        yield maker.fact(key, kind, "updated", entry.update_author, updated, place)


@dataclass(frozen=True, slots=True)
class BackfillContext:
    """One run's hands.

    Attributes:
        jira: Asks Jira.
        maker: Makes facts.
        publisher: Takes facts to the log.
        state: Remembers on disk.
        checkpoint: How far the run is.
        progress: Is told.
        overlap_ms: How far before the window candidates are asked for.
    """

    jira: JiraClient
    maker: WindowFacts
    publisher: FactPublisher
    state: RunState
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
        await self.publisher.flush()
        self.checkpoint.stats = self.jira.stats
        self.state.keep(self.checkpoint)


UNREADABLE = "unreadable elements of Jira's answers"
GONE = "gone or hidden since they were listed"
"""Reasons of skips."""
