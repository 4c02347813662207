"""From the body of one webhook to the facts it tells."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from ingest import entity_facts, events, issue_facts
from ingest.actor import refuse_data_center
from ingest.delivery import Delivery
from ingest.shapes import TEXT, Envelope, open_envelope, read_or_none
from rollcall.errors import NotUnderstoodError
from rollcall.records import Activity

Outcome = Literal["facts", "echo", "ignored", "cascade", "no_edit"]


class Translation(NamedTuple):
    """What a webhook came to.

    Attributes:
        facts: The facts, none unless the outcome is ``facts``.
        event: The event's name to count it under: a known name, a family of names, or ``other``.
        outcome: ``facts``; ``echo`` (a comment or worklog act seen again as an issue update); ``ignored`` (an
            event of no interest); ``cascade`` (deleted along with something else); ``no_edit``.
    """

    facts: tuple[Activity, ...]
    event: str
    outcome: Outcome


_ONE_FACT: dict[str, Callable[[Delivery], Activity]] = {
    "comment_created": lambda delivery: entity_facts.created(delivery, "comment"),
    "comment_deleted": lambda delivery: entity_facts.deleted(delivery, "comment"),
    "worklog_created": lambda delivery: entity_facts.created(delivery, "worklog"),
    "worklog_deleted": lambda delivery: entity_facts.deleted(delivery, "worklog"),
    "jira:issue_created": issue_facts.created,
    "jira:issue_deleted": issue_facts.deleted,
}
_PERHAPS_A_FACT: dict[str, tuple[Callable[[Delivery], Activity | None], Outcome]] = {
    "comment_updated": (lambda delivery: entity_facts.updated(delivery, "comment"), "no_edit"),
    "worklog_updated": (lambda delivery: entity_facts.updated(delivery, "worklog"), "no_edit"),
    "jira:worklog_updated": (lambda delivery: entity_facts.updated(delivery, "worklog"), "no_edit"),
    "jira:issue_updated": (issue_facts.updated, "echo"),
}


def translate(site: str, body: bytes, flow: str, received_at: int) -> Translation:
    """Read the facts out of a webhook body. Pure: the same arguments give the same answer.

    Args:
        site: Name of the Jira site in the settings.
        body: The body as Jira sent it.
        flow: Value of ``X-Atlassian-Webhook-Flow``, empty when absent. With ``Secondary``, any case, a deletion
            is the fallout of another one (Atlassian's webhooks page) and nobody's activity.
        received_at: When it came, epoch ms.

    Raises:
        NotUnderstoodError: The body is no payload that Rollcall understands; it belongs to the dead letters.
            The text never quotes the payload.
    """
    try:
        return _translate(site, open_envelope(body), flow, received_at)
    except RecursionError:
        raise NotUnderstoodError("too_deep", "The body is nested deeper than any Jira payload.") from None


def event_label(body: bytes) -> str:
    """Return the name to count a body's event under, whatever else is wrong with it."""
    try:
        return events.label(_event_name(open_envelope(body)))
    except (NotUnderstoodError, RecursionError):
        return events.OTHER


def _translate(site: str, envelope: Envelope, flow: str, received_at: int) -> Translation:
    refuse_data_center(envelope)
    name = _event_name(envelope)
    event = events.label(name)
    if name.endswith("_deleted") and flow.strip().lower() == "secondary":
        return Translation((), event, "cascade")
    delivery = Delivery(site, envelope, received_at)
    if name in _ONE_FACT:
        return Translation((_ONE_FACT[name](delivery),), event, "facts")
    if name in _PERHAPS_A_FACT:
        read_fact, otherwise = _PERHAPS_A_FACT[name]
        fact = read_fact(delivery)
        return Translation((fact,), event, "facts") if fact else Translation((), event, otherwise)
    return Translation((), event, "ignored")


def _event_name(envelope: Envelope) -> str:
    name = read_or_none(TEXT, envelope.webhookEvent)
    if not name:
        raise NotUnderstoodError(
            "no_event",
            "The payload names no webhookEvent, as Jira Cloud's do; Jira Data Center and Server post such bodies.",
        )
    return name
