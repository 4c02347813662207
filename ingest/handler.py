"""From a webhook's body to records that are durable on the log: its facts, or the dead letter that keeps it.

The actor of a ``jira:issue_*`` event is its top-level ``user`` (captures of Jira Cloud). With comments and worklogs
Jira sends none (captures of 2019 to 2026): who added is ``author``, who edited is ``updateAuthor``, and who deleted is
not in the payload, whose author and updateAuthor are the last writers.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ingest.body import RefusalError
from ingest.payload import (
    ENTITY,
    Changelog,
    Entity,
    Envelope,
    Issue,
    actor,
    changelog,
    first_moment,
    moment,
    needed_id,
    open_envelope,
    read_issue,
    refuse_data_center,
    refuse_future,
)
from rollcall import identity
from rollcall.clock import now_ms
from rollcall.errors import LogUnavailableError, NotUnderstoodError
from rollcall.eventlog import EventLog, Record
from rollcall.jira import events
from rollcall.jira.values import NOBODY, TEXT, Account, IssueRef, id_or_none, id_or_zero, read, read_or_none
from rollcall.logs import logger
from rollcall.records import Action, Activity, DeadLetter, Family, encode
from rollcall.topics import Topics

_log = logger(__name__)


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
        actor: Account,
        occurred_at: int,
        issue: IssueRef,
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
            issue_id=issue.issue_id,
            issue_key=issue.issue_key,
            project_key=issue.project_key,
            fields=fields or [],
            source="webhook",
            received_at=self.received_at,
        )


def issue_created(delivery: Delivery) -> Activity:
    """Return the fact of creating an issue.

    Captures of Jira Cloud have a changelog here too, which sets the first values: that is no edit.
    """
    envelope = delivery.envelope
    issue = read_issue(envelope.issue)
    issue_id = needed_id(issue.id, "issue.id")
    at = first_moment("issue.fields.created and no timestamp", issue.created(), envelope.timestamp)
    return delivery.fact(identity.issue_created(issue_id), "history", "created", actor(envelope.user), at, issue.ref())


def issue_updated(delivery: Delivery) -> Activity | None:
    """Return the fact of changing an issue; None for the echo of a comment or worklog.

    The time is ``issue.fields.updated``, the nearest to what REST gives for the same history; the envelope's
    ``timestamp`` is up to 81 ms later (captures). An attachment added or removed arrives here, as a change of the
    field ``attachment``.
    """
    envelope = delivery.envelope
    changes = changelog(envelope.changelog)
    if not changes.items and _names_an_echo(delivery):
        return None
    issue = read_issue(envelope.issue)
    at = first_moment("issue.fields.updated and no timestamp", issue.updated(), envelope.timestamp)
    key = _change_key(changes, issue, at)
    return delivery.fact(key, "history", "updated", actor(envelope.user), at, issue.ref(), changes.fields)


def issue_deleted(delivery: Delivery) -> Activity:
    """Return the fact of deleting an issue, at the envelope's ``timestamp``, the only record of the moment."""
    envelope = delivery.envelope
    issue = read_issue(envelope.issue)
    issue_id = needed_id(issue.id, "issue.id")
    at = first_moment("timestamp", envelope.timestamp)
    return delivery.fact(identity.issue_deleted(issue_id), "history", "deleted", actor(envelope.user), at, issue.ref())


def _change_key(changes: Changelog, issue: Issue, at: int) -> str:
    if changes.changelog_id is not None:
        return identity.history(changes.changelog_id)
    return identity.issue_updated(needed_id(issue.id, "issue.id"), at)


def _names_an_echo(delivery: Delivery) -> bool:
    name = read_or_none(TEXT, delivery.envelope.issue_event_type_name)
    return bool(name and events.names_echo(name))


def entity_created(delivery: Delivery, kind: identity.Entity) -> Activity:
    """Return the fact of adding a comment or worklog, at its own ``created`` (a worklog's ``started`` is not it)."""
    entity, entity_id, issue = _entity(delivery, kind)
    at = first_moment(f"{kind}.created and no timestamp", entity.created, delivery.envelope.timestamp)
    return delivery.fact(identity.created(kind, entity_id), kind, "created", actor(entity.author), at, issue)


def entity_updated(delivery: Delivery, kind: identity.Entity) -> Activity | None:
    """Return the fact of an edit; None when ``updated`` equals ``created``, which is no edit."""
    entity, entity_id, issue = _entity(delivery, kind)
    at = first_moment(f"{kind}.updated", entity.updated)
    if at == moment(entity.created):
        return None
    key = identity.updated(kind, entity_id, at)
    return delivery.fact(key, kind, "updated", actor(entity.updateAuthor), at, issue)


def entity_deleted(delivery: Delivery, kind: identity.Entity) -> Activity:
    """Return the fact of a deletion, at the envelope's ``timestamp``, the only record of the moment.

    Nobody's: Jira Cloud does not say who deleted, so neither the author nor a ``user`` that something added counts.
    """
    _, entity_id, issue = _entity(delivery, kind)
    at = first_moment("timestamp", delivery.envelope.timestamp)
    key = identity.deleted(kind, entity_id)
    return delivery.fact(key, kind, "deleted", NOBODY, at, issue)


def _entity(delivery: Delivery, kind: identity.Entity) -> tuple[Entity, int, IssueRef]:
    envelope = delivery.envelope
    try:
        entity = read(ENTITY, envelope.comment if kind == "comment" else envelope.worklog)
    except ValueError:
        entity = None
    if entity is None:
        raise NotUnderstoodError("no_entity", f"A {kind} event without a {kind} object.")
    issue = read_issue(envelope.issue).ref()
    if kind == "worklog" and not issue.issue_id:
        issue = issue._replace(issue_id=id_or_zero(id_or_none(entity.issueId)))
    return entity, needed_id(id_or_none(entity.id), f"{kind}.id"), issue


OutcomeName = Literal["facts", "echo", "ignored", "cascade", "no_edit"]


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
    outcome: OutcomeName


_ONE_FACT: dict[str, Callable[[Delivery], Activity]] = {
    "comment_created": lambda delivery: entity_created(delivery, "comment"),
    "comment_deleted": lambda delivery: entity_deleted(delivery, "comment"),
    "worklog_created": lambda delivery: entity_created(delivery, "worklog"),
    "worklog_deleted": lambda delivery: entity_deleted(delivery, "worklog"),
    "jira:issue_created": issue_created,
    "jira:issue_deleted": issue_deleted,
}
_PERHAPS_A_FACT: dict[str, tuple[Callable[[Delivery], Activity | None], OutcomeName]] = {
    "comment_updated": (lambda delivery: entity_updated(delivery, "comment"), "no_edit"),
    "worklog_updated": (lambda delivery: entity_updated(delivery, "worklog"), "no_edit"),
    "jira:worklog_updated": (lambda delivery: entity_updated(delivery, "worklog"), "no_edit"),
    "jira:issue_updated": (issue_updated, "echo"),
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
    event = events.LABELS.get(name) or events.label(name)
    if name.endswith("_deleted") and events.is_secondary(flow):
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


ORIGIN = "webhook"
FLOW = "x-atlassian-webhook-flow"
IDENTIFIER = "x-atlassian-webhook-identifier"
RETRY = "x-atlassian-webhook-retry"

_KEPT_HEADERS = (FLOW, IDENTIFIER, RETRY)
"""The headers that say how to read the payload and which delivery it was. The signature is not among them: with
the payload beside it, it would allow guessing the secret."""

_LONGEST_HEADER = 256


def dead_letter(
    site: str, body: bytes, headers: Mapping[str, str], error: NotUnderstoodError, received_at: int
) -> DeadLetter:
    """Make the dead letter of a webhook.

    Args:
        site: Name of the Jira site in the settings.
        body: The body as it came.
        headers: The request's headers, names in any case; only those that matter for reading it again are kept.
        error: Why it was not understood.
        received_at: When it came, epoch ms.

    Returns:
        The letter; the same body of the same site is always the same letter.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    return DeadLetter(
        letter_id=hashlib.sha256(b"\0".join((site.encode(), ORIGIN.encode(), body))).hexdigest()[:32],
        site=site,
        origin=ORIGIN,
        reason=error.reason,
        detail=error.detail,
        headers={name: lower[name][:_LONGEST_HEADER] for name in _KEPT_HEADERS if name in lower},
        payload=body,
        received_at=received_at,
    )


Headers = Mapping[bytes, bytes]
"""Headers as the server has them, names in lower case; when one comes twice, the last counts."""
_FLOW_HEADER = FLOW.encode()
_IDENTIFIER_HEADER = IDENTIFIER.encode()
_NOT_PLAIN = re.compile(r"[^\w.:-]", re.ASCII)


class Outcome(NamedTuple):
    """What a webhook that is durably kept came to: its event's name and outcome, for counting."""

    event: str
    outcome: str


class WebhookHandler:
    """Turns bodies into facts or dead letters and puts them on the log."""

    def __init__(self, log: EventLog, topics: Topics, append_timeout: float) -> None:
        self._log = log
        self._topics = topics
        self._append_timeout = append_timeout

    async def handle(self, site: str, body: bytes, headers: Headers) -> Outcome:
        """Keep a webhook that its signature vouches for; when this returns, what it told is durable.

        Args:
            site: Name of the Jira site in the settings.
            body: Its body.
            headers: Its headers.

        Raises:
            RefusalError: The log cannot take it now (503).
        """
        received_at = now_ms()
        try:
            told = translate(site, body, headers.get(_FLOW_HEADER, b"").decode("latin-1"), received_at)
            records = [Record(encode(fact), fact.event_key.encode()) for fact in told.facts]
        except NotUnderstoodError as error:
            return await self._dead_letter(site, body, headers, error, received_at)
        except Exception as error:  # a mistake of ours must not lose what Jira sent
            name = type(error).__name__
            fault = NotUnderstoodError("fault", f"Rollcall failed on this payload with {name}; please report it.")
            return await self._dead_letter(site, body, headers, fault, received_at)
        if records:
            await self._append(self._topics.activity.name, records)
        return Outcome(told.event, told.outcome)

    async def _dead_letter(
        self, site: str, body: bytes, headers: Headers, error: NotUnderstoodError, received_at: int
    ) -> Outcome:
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        kept = dead_letter(site, body, texts, error, received_at)
        await self._append(self._topics.deadletter.name, [Record(encode(kept), kept.letter_id.encode())])
        _log.warning(
            "webhook kept as a dead letter",
            site=site,
            reason=error.reason,
            detail=error.detail,
            letter=kept.letter_id,
            delivery=short_identifier(headers),
        )
        return Outcome(event_label(body), "dead_letter")

    async def _append(self, topic: str, records: list[Record]) -> None:
        try:
            async with asyncio.timeout(self._append_timeout):
                await self._log.append(topic, records)
        except TimeoutError:
            raise RefusalError(503, "log_timeout") from None
        except LogUnavailableError as error:
            raise RefusalError(503, "log_unavailable", str(error)) from None
        except Exception as error:  # whatever it is, Jira must send again
            raise RefusalError(503, "log_failed", type(error).__name__) from error


def short_identifier(headers: Headers) -> str:
    """Return the delivery's identifier fit for a log line: anybody may have sent it, so short and plain."""
    return _NOT_PLAIN.sub("?", headers.get(_IDENTIFIER_HEADER, b"")[:64].decode("latin-1"))
