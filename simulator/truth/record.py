"""The truth as flat records, for files and for oracles."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from simulator.company.people import roster
from simulator.company.projects import projects
from simulator.config import SiteConfig
from simulator.life.stream import acts
from simulator.truth.fact import NOBODY, changed_fields, facts

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
        day: Day in the reporting zone once every source that can has told; ISO.
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

    ``now`` (default: ``until``) is the moment at which REST is asked. All epoch ms.
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
                # Nobody can ever tell: the changelog entry of a deleted issue that the site did not announce.
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
