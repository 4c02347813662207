"""Jira's webhook events: those that make facts and are registered, those knowingly ignored, echoes and cascades."""

import re

REGISTERED = (
    "jira:issue_created",
    "jira:issue_updated",
    "jira:issue_deleted",
    "comment_created",
    "comment_updated",
    "comment_deleted",
    "worklog_created",
    "worklog_updated",
    "worklog_deleted",
)
"""The events that a site is to send. Attachments and links arrive as ``jira:issue_updated`` too, with who did it."""

FACTS = frozenset({*REGISTERED, "jira:worklog_updated"})
"""Events that may make facts. ``jira:worklog_updated`` is an old name that cannot be registered."""

IGNORED = frozenset(
    {
        "attachment_created",
        "attachment_deleted",
        "issuelink_created",
        "issuelink_deleted",
        "issue_property_set",
        "issue_property_deleted",
        "user_created",
        "user_updated",
        "user_deleted",
        "project_created",
        "project_updated",
        "project_deleted",
        "project_soft_deleted",
        "project_restored_deleted",
        "project_archived",
        "project_restored_archived",
        "sprint_created",
        "sprint_deleted",
        "sprint_updated",
        "sprint_started",
        "sprint_closed",
        "jira_expression_evaluation_failed",
    }
)
"""Known events that make no fact (names from Atlassian's webhooks page).

Adding or removing an attachment and linking issues also arrive as a ``jira:issue_updated`` with a changelog, which
says who did it: that is the fact, and a second one from ``attachment_*`` or ``issuelink_*`` would be the same act
again, without an identity that REST knows. ``issuelink_*`` and deletions name no actor at all, ``user_*`` names the
person it is about and not who acted, and the rest is administration.
"""

IGNORED_FAMILIES = ("jira:version_", "issuetype_", "filter_", "board_", "option_", "app_access_to_objects")
"""Beginnings of further ignored names, of which Jira has many."""

OTHER = "other"

_KNOWN = FACTS | IGNORED


def label(name: str) -> str:
    """Return the name to count an event under: a known name, a family such as ``board_*``, or ``other``."""
    if name in _KNOWN:
        return name
    return next((f"{family}*" for family in IGNORED_FAMILIES if name.startswith(family)), OTHER)


_SECONDARY = "secondary"


def is_secondary(flow: str) -> bool:
    """Return whether ``X-Atlassian-Webhook-Flow`` marks the fallout of another act (Atlassian's webhooks page)."""
    return flow.strip().lower() == _SECONDARY


_ECHO = re.compile(r"comment|work_?log", re.IGNORECASE)


def names_echo(type_name: str) -> bool:
    """Return whether an ``issue_event_type_name`` names a comment or worklog act.

    Jira sends ``jira:issue_updated`` beside ``comment_*`` and ``worklog_*`` for the same act; the name is of an open
    set, such as ``issue_commented`` and ``issue_worklog_updated`` (captures).
    """
    return bool(_ECHO.search(type_name))
