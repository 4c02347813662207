"""What an act makes known, fact by fact: under which key, and what the webhook and REST can say of it."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from simulator.company.person import NEVER
from simulator.config import SiteConfig
from simulator.life.act import Act, Item

Family = Literal["comment", "history", "worklog"]
Action = Literal["created", "updated", "deleted"]

NOBODY = -1
"""Stands for an actor that the source does not name."""


class Fact(msgspec.Struct, frozen=True):
    """One fact. Times are epoch ms, None where the source can never know the fact.

    Attributes:
        key: Its identity, the same from every source.
        family: Kind of thing.
        action: What was done.
        actor: Index of who really did it.
        act: The act it comes from.
        webhook_at: Time the webhook tells.
        webhook_actor: Who the webhook says it was, NOBODY when it does not.
        rest_at: Time REST tells.
        rest_until: When REST forgets it: overwritten, deleted, or the issue gone.
    """

    key: str
    family: Family
    action: Action
    actor: int
    act: Act
    webhook_at: int | None
    webhook_actor: int
    rest_at: int | None
    rest_until: int = NEVER

    def known_to_rest(self, now: int) -> bool:
        """Tell whether REST knows the fact at this moment, epoch ms."""
        return self.rest_at is not None and self.rest_at <= now < self.rest_until


def facts(config: SiteConfig, act: Act) -> Iterator[Fact]:
    """Yield the facts of an act: none for a mere echo or cascade, two for a worklog and its changelog entry."""
    issue = act.issue
    kind = act.kind
    if kind == "issue_created":
        key = f"issue:{issue.id}:created"
        yield Fact(key, "history", "created", act.actor, act, act.at, act.actor, act.at, act.gone)
    elif kind == "issue_changed":
        yield _history(act, issue.updated)
    elif kind == "issue_touched":
        key = f"issue:{issue.id}:updated:{issue.updated}"
        yield Fact(key, "history", "updated", act.actor, act, issue.updated, act.actor, None)
    elif kind == "issue_deleted":
        key = f"issue:{issue.id}:deleted"
        yield Fact(key, "history", "deleted", act.actor, act, act.stamp, act.actor, None)
    elif kind not in ("comment_touched", "worklog_touched"):
        yield _entry(config, act)
        if act.history:
            yield _history(act, issue.updated if config.activity_histories else None)


def changed_fields(items: tuple[Item, ...]) -> list[str]:
    """Return the changed fields by id, or by name where Jira leaves the id out."""
    return [item[1] or item[0] for item in items]


def _history(act: Act, webhook_at: int | None) -> Fact:
    key = f"history:{act.history}"
    return Fact(key, "history", "updated", act.actor, act, webhook_at, act.actor, act.history_at, act.gone)


def _entry(config: SiteConfig, act: Act) -> Fact:
    """Return the fact of a comment or worklog itself."""
    entry = act.entry
    if entry is None:
        raise ValueError(f"an act of kind {act.kind} needs its comment or worklog")
    family: Literal["comment", "worklog"] = "comment" if act.kind.startswith("comment") else "worklog"
    until = min(act.until, act.gone)
    if act.kind.endswith("_created"):
        key = f"{family}:{entry.id}:created"
        return Fact(key, family, "created", act.actor, act, act.at, act.actor, act.at, until)
    if act.kind.endswith("_edited"):
        key = f"{family}:{entry.id}:updated:{entry.updated}"
        return Fact(key, family, "updated", act.actor, act, act.at, act.actor, act.at, until)
    # A deletion has no actor in the webhook; in REST the changelog entry's author did it.
    named = family == "worklog" or config.comment_id_in_history
    rest_at = act.history_at if named else None
    return Fact(f"{family}:{entry.id}:deleted", family, "deleted", act.actor, act, act.stamp, NOBODY, rest_at, act.gone)
