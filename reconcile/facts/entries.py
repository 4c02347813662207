"""Facts of comments and worklogs: added by the author, last edited by the updateAuthor.

REST knows the last edit only; those between are gone, and with them who made them.
"""

from collections.abc import Iterator

from reconcile.facts.maker import Maker, Place
from reconcile.shapes.entries import Comment
from rollcall import identity
from rollcall.jira_time import parse_jira_time
from rollcall.records import Activity


def entry_facts(maker: Maker, kind: identity.Entity, entry: Comment, place: Place) -> Iterator[Activity]:
    """Yield the facts of a comment or worklog that lie in the window.

    An ``updated`` that equals ``created`` is no edit. A worklog's time is when it was logged, never ``started``.

    Raises:
        ValueError: Its id or one of its times is none.
    """
    entity_id = identity.jira_id(entry.id)
    created = parse_jira_time(entry.created)
    if maker.window.holds(created):
        yield maker.fact(identity.created(kind, entity_id), kind, "created", entry.author, created, place)
    updated = created if entry.updated is None else parse_jira_time(entry.updated)
    if updated != created and maker.window.holds(updated):
        key = identity.updated(kind, entity_id, updated)
        yield maker.fact(key, kind, "updated", entry.update_author, updated, place)
