"""From what was done in Jira to facts, the same for both readers: webhooks and REST."""

from typing import NamedTuple


class IssueRef(NamedTuple):
    """The issue a fact belongs to: 0 or empty for what is not known."""

    issue_id: int = 0
    issue_key: str = ""
    project_key: str = ""
