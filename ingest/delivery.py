"""One webhook on its way to facts."""

from dataclasses import dataclass

from ingest.actor import Actor
from ingest.issue_part import Issue
from ingest.moment import refuse_future
from ingest.shapes import Envelope
from rollcall.errors import NotUnderstoodError
from rollcall.identity import jira_id
from rollcall.records import Action, Activity, Family


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook's site, decoded top, and moment of receipt (epoch ms)."""

    site: str
    envelope: Envelope
    received_at: int

    def fact(
        self,
        event_key: str,
        family: Family,
        action: Action,
        actor: Actor,
        occurred_at: int,
        issue: Issue,
        fields: list[str] | None = None,
    ) -> Activity:
        """Build the fact.

        Raises:
            NotUnderstoodError: Its time lies more than a day after its receipt.
        """
        refuse_future(occurred_at, self.received_at)
        return Activity(
            site=self.site,
            event_key=event_key,
            account_id=actor.account_id,
            account_type=actor.account_type,
            family=family,
            action=action,
            occurred_at=occurred_at,
            issue_id=issue.number(),
            issue_key=issue.issue_key(),
            project_key=issue.project_key(),
            fields=fields or [],
            source="webhook",
            received_at=self.received_at,
        )


def needed_id(value: object, what: str) -> int:
    """Return an id that identifies the fact.

    Raises:
        NotUnderstoodError: It is none.
    """
    try:
        return jira_id(value)
    except ValueError:
        raise NotUnderstoodError("no_id", f"The payload has no usable {what}.") from None
