"""A simulated site's whole history through both readers: facts of one key are the same in every part."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.handler import translate
from reconcile.run import RunOptions
from rollcall.records import Activity
from simulator.config import SiteConfig
from simulator.hooks.delivery import Announcer
from simulator.life.stream import acts

from ..reconcile.backfilling import appended, reconcile
from ..reconcile.site import config, jira_site, settings_for


def by_webhooks(site: SiteConfig) -> dict[str, Activity]:
    announcer = Announcer(site)
    return {
        fact.event_key: fact
        for act in acts(site, site.start_ms, site.now_ms)
        for delivery in announcer.deliveries(act)
        for fact in translate("acme", delivery.body, delivery.flow, delivery.at).facts
    }


def moved_issues(facts: Iterable[Activity]) -> set[int]:
    """Return the issues that changed their project: REST knows where they are, a webhook where they were."""
    keys = defaultdict[int, set[str]](set)
    for fact in facts:
        if fact.issue_key:
            keys[fact.issue_id].add(fact.issue_key)
    return {issue_id for issue_id, known in keys.items() if len(known) > 1}


def comparable(fact: Activity, other: Activity, moved: set[int]) -> Activity:
    """Return the fact with the parts of the other that the readers may differ in, and must not otherwise."""
    taken: dict[str, Any] = {"source": other.source, "received_at": other.received_at}
    if fact.family == "history" and fact.action == "updated":
        assert abs(fact.occurred_at - other.occurred_at) < 1000  # REST's history is later than the issue's update
        taken["occurred_at"] = other.occurred_at
    if fact.action == "deleted":
        assert "" in (fact.account_id, other.account_id)  # a webhook does not say who deleted
        taken |= {"account_id": other.account_id, "account_type": other.account_type}
        taken["occurred_at"] = other.occurred_at
    if fact.issue_id in moved:
        taken |= {"issue_key": other.issue_key, "project_key": other.project_key}
    if fact.family == "worklog":  # a worklog's webhook says its issue's id only, the feed of deleted ones not even that
        taken |= {"issue_key": other.issue_key, "project_key": other.project_key}
        if 0 in (fact.issue_id, other.issue_id):
            taken["issue_id"] = other.issue_id
    return msgspec.structs.replace(fact, **taken)


@pytest.mark.anyio
async def test_facts_of_one_key_are_the_same(tmp_path: Path) -> None:
    site = config(people=8, acts_per_day=5.0, days=32)
    async with jira_site(site) as jira:
        settings = settings_for(jira.url, tmp_path)
        run = await reconcile(settings, RunOptions(parts=("activity",)))
        rest = (await appended(settings)).facts
        hooks = by_webhooks(jira.site.config)
    assert run.missing == []
    both = rest.keys() & hooks.keys()
    moved = moved_issues([*hooks.values(), *rest.values()])
    for key in both:
        assert comparable(hooks[key], rest[key], moved) == rest[key]
    kinds = Counter((hooks[key].family, hooks[key].action) for key in both)
    wanted = {(family, action) for family in ("comment", "worklog") for action in ("created", "updated", "deleted")}
    assert wanted | {("history", "created"), ("history", "updated")} <= set(kinds)
    assert kinds.total() > 1000
    assert len(moved) < len({fact.issue_id for fact in rest.values()}) / 4
