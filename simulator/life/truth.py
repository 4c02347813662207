"""The truth: what each act makes known, fact by fact, and what the webhook and REST can say of it.

`facts` gives the facts of one act, under the key that is the same from every source; `truth` gives them for a whole
site as flat records, for files and for the oracles of tests.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from simulator.company.person import NEVER, roster
from simulator.company.project import projects
from simulator.config import SiteConfig
from simulator.life.act import Act, Item
from simulator.life.stream import acts

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
        webhook_at: Time the webhook has.
        webhook_actor: Who the webhook says it was, NOBODY when it does not.
        rest_at: Time REST has.
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
        """Return whether REST knows the fact at this moment, epoch ms."""
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
        key = f"issue:{issue.id}:updated:{issue.updated}:{roster(config)[act.actor].account_id}"
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


Sources = Literal["webhook", "rest", "both"]


class Truth(msgspec.Struct, frozen=True):
    """One fact as an oracle reads it. Times are epoch ms; null where the source cannot know the fact.

    Attributes:
        event_key: Identity of the fact.
        account_id: Who really did it.
        account_type: Type of that account.
        family: comment, history or worklog.
        action: created, updated or deleted.
        issue_id: The issue.
        issue_key: Its key at that moment.
        project_key: Its project at that moment.
        fields: Changed fields by id, else by name, as Jira spells them.
        day: Day in the reporting zone once every source that has the fact was read; ISO.
        webhook_at: occurred_at as the webhook knows it.
        webhook_actor: Account as the webhook knows it, empty for deletions.
        rest_at: occurred_at as REST knows it, null also when REST has forgotten the fact by now.
        rest_actor: Account as REST knows it.
    """

    event_key: str
    account_id: str
    account_type: str
    family: str
    action: str
    issue_id: int
    issue_key: str
    project_key: str
    fields: list[str]
    day: str
    webhook_at: int | None
    webhook_actor: str
    rest_at: int | None
    rest_actor: str


class Known(msgspec.Struct, frozen=True):
    """What is known of a fact after reading some sources: account (empty if nobody says) and epoch ms."""

    account_id: str
    occurred_at: int


def truth(
    config: SiteConfig, since: int | None = None, until: int | None = None, now: int | None = None
) -> Iterator[Truth]:
    """Yield every fact of the acts from ``since`` to before ``until`` (default: the history), in order of time.

    ``now`` (default: ``until``) is the moment at which REST is read. All epoch ms.
    """
    since = config.start_ms if since is None else since
    until = config.now_ms if until is None else until
    now = until if now is None else now
    people, places = roster(config), projects(config)
    for act in acts(config, since, until):
        key = places[act.issue.project].key
        for fact in facts(config, act):
            rest_at = fact.rest_at if fact.known_to_rest(now) else None
            seen = fact.webhook_at if rest_at is None else rest_at
            if seen is None:
                # No source ever has it: the changelog entry of a deleted issue that the site did not announce.
                seen = act.at
            yield Truth(
                event_key=fact.key,
                account_id=people[fact.actor].account_id,
                account_type=people[fact.actor].account_type,
                family=fact.family,
                action=fact.action,
                issue_id=act.issue.id,
                issue_key=f"{key}-{act.issue.number}",
                project_key=key,
                fields=changed_fields(act.items) if fact.key.startswith("history:") else [],
                day=day_of(config.report_zone, seen),
                webhook_at=fact.webhook_at,
                webhook_actor="" if fact.webhook_actor == NOBODY else people[fact.webhook_actor].account_id,
                rest_at=rest_at,
                rest_actor=people[fact.actor].account_id if rest_at is not None else "",
            )


def merge(fact: Truth, sources: Sources = "both") -> Known | None:
    """Return what these sources together know of the fact: REST's time wins, and whoever names the actor."""
    webhook = fact.webhook_at if sources != "rest" else None
    rest = fact.rest_at if sources != "webhook" else None
    if rest is not None:
        return Known(fact.rest_actor, rest)
    return None if webhook is None else Known(fact.webhook_actor, webhook)


def user_days(config: SiteConfig, found: Iterable[Truth], sources: Sources = "both") -> set[tuple[str, str]]:
    """Return the (day, account id) pairs on which people were active, as far as the sources know."""
    days = set()
    for fact in found:
        known = merge(fact, sources)
        if known and known.account_id and fact.account_type == "atlassian":
            days.add((day_of(config.report_zone, known.occurred_at), known.account_id))
    return days


def day_of(zone: str, at: int) -> str:
    """Return the ISO day in the zone at this moment, epoch ms."""
    return _day(zone, at // 900_000)


@lru_cache(maxsize=65_536)
def _day(zone: str, quarter: int) -> str:
    """Zones change their offset, and days their date, at quarters of an hour only."""
    return datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).date().isoformat()
