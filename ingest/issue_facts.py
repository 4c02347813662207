"""Facts from ``jira:issue_*`` events, whose actor is the top-level ``user`` (captures of Jira Cloud)."""

import re

from ingest.actor import actor
from ingest.changelog_part import Changelog, changelog
from ingest.delivery import Delivery, needed_id
from ingest.issue_part import Issue, read_issue
from ingest.moment import first_moment
from ingest.shapes import TEXT, read_or_none
from rollcall import identity
from rollcall.records import Activity

_ECHO = re.compile(r"comment|work_?log", re.IGNORECASE)


def created(delivery: Delivery) -> Activity:
    """Return the fact of creating an issue.

    Captures of Jira Cloud have a changelog here too, which sets the first values: that is no edit.
    """
    envelope = delivery.envelope
    issue = read_issue(envelope.issue)
    issue_id = needed_id(issue.id, "issue.id")
    at = first_moment("issue.fields.created and no timestamp", issue.created(), envelope.timestamp)
    return delivery.fact(identity.issue_created(issue_id), "history", "created", actor(envelope.user), at, issue)


def updated(delivery: Delivery) -> Activity | None:
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
    return delivery.fact(key, "history", "updated", actor(envelope.user), at, issue, changes.fields)


def deleted(delivery: Delivery) -> Activity:
    """Return the fact of deleting an issue, at the envelope's ``timestamp``, the only record of the moment."""
    envelope = delivery.envelope
    issue = read_issue(envelope.issue)
    issue_id = needed_id(issue.id, "issue.id")
    at = first_moment("timestamp", envelope.timestamp)
    return delivery.fact(identity.issue_deleted(issue_id), "history", "deleted", actor(envelope.user), at, issue)


def _change_key(changes: Changelog, issue: Issue, at: int) -> str:
    if changes.changelog_id is not None:
        return identity.history(changes.changelog_id)
    return identity.issue_updated(needed_id(issue.id, "issue.id"), at)


def _names_an_echo(delivery: Delivery) -> bool:
    """Tell whether the event's type names a comment or worklog act.

    Jira sends ``jira:issue_updated`` beside ``comment_*`` and ``worklog_*`` for the same act; its
    ``issue_event_type_name`` is an open set such as ``issue_commented`` and ``issue_worklog_updated`` (captures).
    """
    name = read_or_none(TEXT, delivery.envelope.issue_event_type_name)
    return bool(name and _ECHO.search(name))
