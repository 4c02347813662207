"""The identity of a fact: the same act seen by a webhook, its retry, its duplicate and the backfill is one key.

| act | event_key |
|---|---|
| comment or worklog added | ``comment:<id>:created`` |
| comment or worklog edited | ``comment:<id>:updated:<updated ms>`` |
| comment or worklog deleted | ``comment:<id>:deleted`` |
| issue changed | ``history:<changelog id>`` |
| issue changed, no changelog | ``issue:<id>:updated:<updated ms>:<account id>`` |
| issue created, deleted | ``issue:<id>:created``, ``issue:<id>:deleted`` |
"""

from typing import Literal

EntityKind = Literal["comment", "worklog"]


def created(entity: EntityKind, entity_id: int) -> str:
    """Key of adding a comment or worklog."""
    return f"{entity}:{entity_id}:created"


def updated(entity: EntityKind, entity_id: int, updated_ms: int) -> str:
    """Key of one edit of a comment or worklog; every edit has its own ``updated`` (epoch ms)."""
    return f"{entity}:{entity_id}:updated:{updated_ms}"


def deleted(entity: EntityKind, entity_id: int) -> str:
    """Key of deleting a comment or worklog."""
    return f"{entity}:{entity_id}:deleted"


def entity_id(event_key: str) -> int:
    """Return the id in the key of a comment's or worklog's fact."""
    return int(event_key.split(":")[1])


def history(changelog_id: int) -> str:
    """Key of a change of an issue's fields."""
    return f"history:{changelog_id}"


def issue_created(issue_id: int) -> str:
    """Key of creating an issue."""
    return f"issue:{issue_id}:created"


def issue_updated(issue_id: int, updated_ms: int, account_id: str) -> str:
    """Key of a change that came without a changelog (REST never knows it).

    With the account, for nothing else tells two people's changes in one millisecond apart; it is empty for nobody.
    """
    return f"issue:{issue_id}:updated:{updated_ms}:{account_id}"


def issue_deleted(issue_id: int) -> str:
    """Key of deleting an issue."""
    return f"issue:{issue_id}:deleted"
