"""The fact of creating an issue: REST writes no changelog entry for it."""

from reconcile.facts.maker import Maker, Place, number_or_zero
from reconcile.shapes.issues import Issue
from rollcall import identity
from rollcall.records import Activity

_LONGEST = 1024


def place_of(issue: Issue) -> Place:
    """Return where the facts of an issue belong."""
    key = issue.key or ""
    project = issue.fields.project
    project_key = (project.key if project else None) or key.rpartition("-")[0]
    return Place(number_or_zero(issue.id), key[:_LONGEST], project_key[:_LONGEST])


def creation(maker: Maker, issue: Issue, place: Place) -> Activity | None:
    """Return the fact of creating the issue, by its creator (who may differ from the reporter), if in the window.

    Raises:
        ValueError: Its id or ``created`` is none.
    """
    key = identity.issue_created(identity.jira_id(issue.id))
    at = maker.inside(issue.fields.created)
    return None if at is None else maker.fact(key, "history", "created", issue.fields.creator, at, place)
