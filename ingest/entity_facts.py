"""Facts from comment and worklog events.

Jira Cloud sends no top-level ``user`` with these (captures of 2019 to 2026): who added is ``author``, who edited is
``updateAuthor``, and who deleted is not in the payload, whose author and updateAuthor are the last writers.
"""

from ingest.actor import NOBODY, actor
from ingest.delivery import Delivery, needed_id
from ingest.issue_part import Issue, number_or_zero, read_issue
from ingest.moment import first_moment, moment
from ingest.shapes import ENTITY, Entity, id_or_none, read
from rollcall import identity
from rollcall.errors import NotUnderstoodError
from rollcall.records import Activity


def created(delivery: Delivery, kind: identity.Entity) -> Activity:
    """Return the fact of adding a comment or worklog, at its own ``created`` (a worklog's ``started`` is not it)."""
    entity, entity_id, issue = _entity(delivery, kind)
    at = first_moment(f"{kind}.created and no timestamp", entity.created, delivery.envelope.timestamp)
    return delivery.fact(identity.created(kind, entity_id), kind, "created", actor(entity.author), at, issue)


def updated(delivery: Delivery, kind: identity.Entity) -> Activity | None:
    """Return the fact of an edit; None when ``updated`` equals ``created``, which is no edit."""
    entity, entity_id, issue = _entity(delivery, kind)
    at = first_moment(f"{kind}.updated", entity.updated)
    if at == moment(entity.created):
        return None
    key = identity.updated(kind, entity_id, at)
    return delivery.fact(key, kind, "updated", actor(entity.updateAuthor), at, issue)


def deleted(delivery: Delivery, kind: identity.Entity) -> Activity:
    """Return the fact of a deletion, at the envelope's ``timestamp``, the only record of the moment.

    Nobody's: Jira Cloud does not say who deleted, so neither the author nor a ``user`` that something added counts.
    """
    _, entity_id, issue = _entity(delivery, kind)
    at = first_moment("timestamp", delivery.envelope.timestamp)
    key = identity.deleted(kind, entity_id)
    return delivery.fact(key, kind, "deleted", NOBODY, at, issue)


def _entity(delivery: Delivery, kind: identity.Entity) -> tuple[Entity, int, Issue]:
    envelope = delivery.envelope
    try:
        entity = read(ENTITY, envelope.comment if kind == "comment" else envelope.worklog)
    except ValueError:
        entity = None
    if entity is None:
        raise NotUnderstoodError("no_entity", f"A {kind} event without a {kind} object.")
    issue = read_issue(envelope.issue)
    if kind == "worklog" and not issue.number():
        issue = Issue(number_or_zero(id_or_none(entity.issueId)), issue.key, issue.fields)
    return entity, needed_id(id_or_none(entity.id), f"{kind}.id"), issue
