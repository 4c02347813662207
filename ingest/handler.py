"""From a webhook's body to records that are durable on the log: its facts, or the dead letter that holds it.

The actor of a ``jira:issue_*`` event is its top-level ``user`` (captures of Jira Cloud). With comments and worklogs
Jira sends none (captures of 2019 to 2026): who added is ``author``, who edited is ``updateAuthor``, and who deleted is
not in the payload, whose author and updateAuthor are the last writers.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from ingest.body import RefusalError
from ingest.payload import (
    ENTITY,
    Changelog,
    Envelope,
    open_envelope,
    read_changelog,
    refuse_data_center,
    refuse_future,
    without_deep_parts,
)
from rollcall.clock import now_ms
from rollcall.dead_letters import WEBHOOK, dead_letter, record_of
from rollcall.errors import LogUnavailableError, NotUnderstoodError
from rollcall.eventlog import EventLog, Record
from rollcall.facts import Entity, FactMaker, actor, moment_of, needed_id, read_issue
from rollcall.forgotten_accounts import ForgottenFile, read_forgotten
from rollcall.identity import EntityKind
from rollcall.jira import events
from rollcall.jira.values import TEXT, IssueRef, id_or_none, id_or_zero, is_given, read, read_or_none
from rollcall.logs import RationedLog, logger
from rollcall.records import Activity, DeadLetter, encode
from rollcall.runtime import Topics

_log = logger(__name__)


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


def _issue_created(maker: FactMaker, envelope: Envelope) -> Activity:
    """Captures of Jira Cloud have a changelog here too, which sets the first values: that is no edit."""
    issue = read_issue(envelope.issue)
    return maker.issue_created(issue.ref(), issue.fields.created, envelope.user, envelope.timestamp)


def _issue_updated(maker: FactMaker, envelope: Envelope) -> Activity | OutcomeName:
    changelog = read_changelog(envelope.changelog)
    if not changelog.items and _is_echo(envelope):
        return "echo"
    return _changed(maker, envelope, changelog)


def _changed(maker: FactMaker, envelope: Envelope, changelog: Changelog) -> Activity:
    """The time is ``issue.fields.updated``, the nearest to what REST gives for the same history.

    The envelope's ``timestamp`` is up to 81 ms later (captures).
    """
    issue = read_issue(envelope.issue)
    at = moment_of("issue.fields.updated and no timestamp", issue.fields.updated, envelope.timestamp)
    if changelog.id:
        return maker.issue_changed(changelog.id, at, envelope.user, issue.ref(), changelog.items)
    return maker.issue_updated(at, envelope.user, issue.ref())


def _issue_deleted(maker: FactMaker, envelope: Envelope) -> Activity:
    """The envelope's ``timestamp`` is the only record of the moment."""
    at = moment_of("timestamp", envelope.timestamp)
    return maker.issue_deleted(at, envelope.user, read_issue(envelope.issue).ref())


def _is_echo(envelope: Envelope) -> bool:
    """Return whether an update without changed fields repeats what a comment or worklog event says of the same act."""
    if is_given(envelope.comment) or is_given(envelope.worklog):
        return True
    name = read_or_none(TEXT, envelope.issue_event_type_name)
    return bool(name and events.names_echo(name))


def _entity_created(maker: FactMaker, envelope: Envelope, kind: EntityKind) -> Activity:
    entity, issue = _entity(envelope, kind)
    return maker.entity_created(kind, entity, issue, envelope.timestamp)


def _entity_updated(maker: FactMaker, envelope: Envelope, kind: EntityKind) -> Activity | OutcomeName:
    entity, issue = _entity(envelope, kind)
    return maker.entity_updated(kind, entity, issue) or "no_edit"


def _old_worklog_updated(maker: FactMaker, envelope: Envelope) -> Activity | OutcomeName:
    """The old name's body may have no worklog but the changelog entry of the act: then that is the fact."""
    if not is_given(envelope.worklog) and (changelog := read_changelog(envelope.changelog)).items:
        return _changed(maker, envelope, changelog)
    return _entity_updated(maker, envelope, "worklog")


def _entity_deleted(maker: FactMaker, envelope: Envelope, kind: EntityKind) -> Activity:
    """The envelope's ``timestamp`` is the only record of the moment.

    Nobody's: Jira Cloud does not say who deleted, so neither the author nor a ``user`` that something added counts.
    """
    entity, issue = _entity(envelope, kind)
    at = moment_of("timestamp", envelope.timestamp)
    return maker.entity_deleted(kind, needed_id(entity.id, f"{kind}.id"), at, issue)


def _entity(envelope: Envelope, kind: EntityKind) -> tuple[Entity, IssueRef]:
    try:
        entity = read(ENTITY, envelope.comment if kind == "comment" else envelope.worklog)
    except ValueError:
        entity = None
    if entity is None:
        raise NotUnderstoodError("no_entity", f"A {kind} event without a {kind} object.")
    issue = read_issue(envelope.issue).ref()
    if kind == "worklog" and not issue.issue_id:
        issue = issue._replace(issue_id=id_or_zero(id_or_none(entity.issueId)))
    return entity, issue


_READERS: dict[str, Callable[[FactMaker, Envelope], Activity | OutcomeName]] = {
    "jira:issue_created": _issue_created,
    "jira:issue_updated": _issue_updated,
    "jira:issue_deleted": _issue_deleted,
    "comment_created": lambda maker, envelope: _entity_created(maker, envelope, "comment"),
    "comment_updated": lambda maker, envelope: _entity_updated(maker, envelope, "comment"),
    "comment_deleted": lambda maker, envelope: _entity_deleted(maker, envelope, "comment"),
    "worklog_created": lambda maker, envelope: _entity_created(maker, envelope, "worklog"),
    "worklog_updated": lambda maker, envelope: _entity_updated(maker, envelope, "worklog"),
    "worklog_deleted": lambda maker, envelope: _entity_deleted(maker, envelope, "worklog"),
    "jira:worklog_updated": _old_worklog_updated,
}


def translate(site: str, body: bytes, flow: str, received_at: int) -> Translation:
    """Read the facts out of a webhook body. Pure: the same arguments give the same answer.

    Args:
        site: Name of the Jira site in the settings.
        body: The body as Jira sent it.
        flow: Value of ``X-Atlassian-Webhook-Flow``, empty when absent. With ``Secondary``, any case, a deletion
            that names nobody is the fallout of another one (Atlassian's webhooks page) and no fact.
        received_at: When it came, epoch ms.

    Raises:
        NotUnderstoodError: The body is no payload that Rollcall understands; it belongs to the dead letters.
            The text never quotes the payload.
    """
    try:
        return _translate(site, open_envelope(body), flow, received_at)
    except RecursionError:
        return _translate(site, open_envelope(without_deep_parts(body)), flow, received_at)


def own_fault(error: Exception) -> NotUnderstoodError:
    """Return why a payload is a dead letter that Rollcall failed on by a mistake of its own; never the error's text."""
    return NotUnderstoodError(
        "fault", f"Rollcall failed on this payload with {type(error).__name__}; please report it."
    )


def event_label(body: bytes) -> str:
    """Return the name to count a body's event under, whatever else is wrong with it."""
    try:
        return events.label(_event_name(open_envelope(body)))
    except (NotUnderstoodError, RecursionError):
        return events.OTHER


def _translate(site: str, envelope: Envelope, flow: str, received_at: int) -> Translation:
    refuse_data_center(envelope)
    name = _event_name(envelope)
    event = name if name in events.FACTS else events.label(name)
    if name.endswith("_deleted") and events.is_secondary(flow) and not _names_deleter(name, envelope):
        return Translation((), event, "cascade")
    reader = _READERS.get(name)
    if reader is None:
        return Translation((), event, "ignored")
    found = reader(FactMaker(site, "webhook", received_at), envelope)
    if isinstance(found, str):
        return Translation((), event, found)
    refuse_future(found.occurred_at, received_at)
    return Translation((found,), event, "facts")


def _names_deleter(name: str, envelope: Envelope) -> bool:
    """Return whether a deletion names who did it: an issue's does, also in bulk; what goes with it names nobody."""
    return name == "jira:issue_deleted" and bool(actor(envelope.user).account_id)


def _event_name(envelope: Envelope) -> str:
    name = read_or_none(TEXT, envelope.webhookEvent)
    if not name:
        raise NotUnderstoodError(
            "no_event",
            "The payload names no webhookEvent, as those of Jira's webhooks do. Automation's 'Send web request', a "
            "workflow's post function and the legacy automation of Jira Service Management post such bodies: register "
            "a webhook under System > WebHooks instead, and take this address out of the rule.",
        )
    return name


FLOW = "x-atlassian-webhook-flow"
IDENTIFIER = "x-atlassian-webhook-identifier"
RETRY = "x-atlassian-webhook-retry"

_KEPT_HEADERS = (FLOW, IDENTIFIER, RETRY)
"""The headers that say how to read the payload and which delivery it was. The signature is not among them: with
the payload beside it, it would allow guessing the secret."""

_LONGEST_HEADER = 256


def webhook_dead_letter(
    site: str, body: bytes, headers: Mapping[str, str], error: NotUnderstoodError, received_at: int
) -> DeadLetter:
    """Make the dead letter of a webhook.

    Args:
        site: Name of the Jira site in the settings.
        body: The body as it came.
        headers: The request's headers, names in any case; only those that matter for reading it again are stored.
        error: Why it was not understood.
        received_at: When it came, epoch ms.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    kept = {name: lower[name][:_LONGEST_HEADER] for name in _KEPT_HEADERS if name in lower}
    return dead_letter(site, WEBHOOK, body, error.reason, error.detail, received_at, headers=kept)


Headers = Mapping[bytes, bytes]
"""Headers as the server has them, names in lower case; when one comes twice, the last counts."""
_FLOW_HEADER = FLOW.encode()
_IDENTIFIER_HEADER = IDENTIFIER.encode()
_NOT_PLAIN = re.compile(r"[^\w.:-]", re.ASCII)


class Outcome(NamedTuple):
    """What a webhook that is durably stored came to: its event's name and outcome, for counting."""

    event: str
    outcome: str


RECENT_SECONDS = 600.0
"""How long a dead letter on the log is not put there again when the same body comes again."""

_MOST_RECENT = 1000


class _RecentLetters:
    """The dead letters that were put on the log a short while ago."""

    def __init__(self) -> None:
        self._added: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, letter_id: str) -> bool:
        added = self._added.get(letter_id)
        return added is not None and time.monotonic() - added < RECENT_SECONDS

    def add(self, letter_id: str) -> None:
        """Note that one is on the log."""
        self._added[letter_id] = time.monotonic()
        self._added.move_to_end(letter_id)
        if len(self._added) > _MOST_RECENT:
            self._added.popitem(last=False)


class WebhookHandler:
    """Makes facts or dead letters of bodies and puts them on the log.

    Args:
        log: The log.
        topics: Its topics.
        append_timeout: Seconds that it may take.
        forgotten: Says whom to keep off the log; None for nobody.
    """

    def __init__(
        self, log: EventLog, topics: Topics, append_timeout: float, forgotten: ForgottenFile | None = None
    ) -> None:
        self._log = log
        self._forgotten = forgotten
        self._topics = topics
        self._append_timeout = append_timeout
        self._letters = _RecentLetters()
        self._lines = RationedLog(_log)

    async def handle(self, site: str, body: bytes, headers: Headers) -> Outcome:
        """Store a webhook that its signature vouches for; when this returns, its facts are durable.

        Args:
            site: Name of the Jira site in the settings.
            body: Its body.
            headers: Its headers.

        Raises:
            RefusalError: The log cannot take it now (503).
        """
        received_at = now_ms()
        try:
            translation = translate(site, body, headers.get(_FLOW_HEADER, b"").decode("latin-1"), received_at)
            forgotten = read_forgotten(self._forgotten)
            facts = [fact for fact in translation.facts if not forgotten.has_act(fact)]
            records = [Record(encode(fact), fact.event_key.encode()) for fact in facts]
        except NotUnderstoodError as error:
            return await self._dead_letter(site, body, headers, error, received_at)
        except Exception as error:  # a mistake of ours must not lose what Jira sent
            return await self._dead_letter(site, body, headers, own_fault(error), received_at)
        if records:
            await self._append(self._topics.activity.name, records)
        kept_out = bool(translation.facts) and not facts
        return Outcome(translation.event, "ignored" if kept_out else translation.outcome)

    async def _dead_letter(
        self, site: str, body: bytes, headers: Headers, error: NotUnderstoodError, received_at: int
    ) -> Outcome:
        forgotten = read_forgotten(self._forgotten)
        # In a thread, for a large body has many words.
        names: bool = await asyncio.to_thread(forgotten.names_any, body) if forgotten else False
        if names:
            return Outcome(event_label(body), "ignored")
        texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        kept = webhook_dead_letter(site, body, texts, error, received_at)
        if kept.letter_id not in self._letters:
            await self._append(self._topics.deadletter.name, [record_of(kept)])
            self._letters.add(kept.letter_id)
        self._lines.warning(
            "webhook kept as a dead letter",
            {"site": site, "reason": error.reason, "detail": error.detail},
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
