"""The truth: keys by the contract, what each source can know, and how the two go together."""

import functools
import re
from collections import Counter

from simulator import SiteConfig
from simulator.company.directory import Directory, directory_truth
from simulator.life.truth import Truth, day_of, merge, truth, user_days

KEY = re.compile(
    r"(comment|worklog):\d+:(created|updated:\d{13}|deleted)|history:\d+"
    r"|issue:\d+:(created|updated:\d{13}:[\w:-]{1,128}|deleted)"
)


@functools.lru_cache(maxsize=2)
def all_of(config: SiteConfig) -> tuple[Truth, ...]:
    return tuple(truth(config, since=0))


def test_keys_follow_the_contract_and_are_unique(config: SiteConfig) -> None:
    found = all_of(config)
    assert len({fact.event_key for fact in found}) == len(found)
    for fact in found:
        assert KEY.fullmatch(fact.event_key)
        family = fact.event_key.partition(":")[0]
        assert fact.family == (family if family in ("comment", "worklog") else "history")
        assert fact.issue_key.startswith(fact.project_key + "-")


def test_deletions_have_no_actor_in_the_webhook_and_the_deleter_in_rest(config: SiteConfig) -> None:
    deletions = [fact for fact in all_of(config) if fact.action == "deleted" and fact.family != "history"]
    assert deletions
    assert all(fact.webhook_actor == "" for fact in deletions)
    known = [fact for fact in deletions if fact.rest_at is not None]
    assert known
    assert all(fact.rest_actor == fact.account_id for fact in known)
    for fact in known:
        both, webhook = merge(fact), merge(fact, "webhook")
        assert both is not None
        assert webhook is not None
        assert (both.account_id, webhook.account_id) == (fact.account_id, "")


def test_rest_never_knows_what_it_cannot(config: SiteConfig) -> None:
    for fact in all_of(config):
        if fact.event_key.startswith("issue:") and not fact.event_key.endswith(":created"):
            assert fact.rest_at is None
            assert fact.rest_actor == ""
    gone = {fact.issue_id for fact in all_of(config) if re.fullmatch(r"issue:\d+:deleted", fact.event_key)}
    assert gone
    assert all(fact.rest_at is None for fact in all_of(config) if fact.issue_id in gone)


def test_rest_knows_the_last_edit_alone(config: SiteConfig) -> None:
    edits = [fact for fact in all_of(config) if fact.action == "updated" and fact.family == "comment"]
    known = Counter(fact.event_key.split(":")[1] for fact in edits if fact.rest_at is not None)
    told = Counter(fact.event_key.split(":")[1] for fact in edits)
    assert max(told.values()) > 1
    assert set(known.values()) == {1}


def test_a_worklog_is_two_facts_of_one_act(config: SiteConfig) -> None:
    found = {fact.event_key: fact for fact in all_of(config)}
    added = [fact for fact in found.values() if fact.family == "worklog" and fact.action == "created"]
    entries = [fact for fact in found.values() if "WorklogId" in fact.fields]
    assert len(entries) >= len(added)


def test_a_site_may_keep_changelogs_of_worklogs_to_itself(config: SiteConfig) -> None:
    quiet = SiteConfig(seed=11, people=20, days=4, now_ms=config.now_ms, activity_histories=False)
    entries = [fact for fact in all_of(quiet) if "WorklogId" in fact.fields or fact.fields == ["comment"]]
    assert entries
    assert all(fact.webhook_at is None for fact in entries)


def test_rest_time_wins_and_decides_the_day(config: SiteConfig) -> None:
    apart = 0
    for fact in all_of(config):
        both = merge(fact)
        if fact.rest_at is not None and both is not None:
            assert both.occurred_at == fact.rest_at
            assert fact.day == day_of(config.report_zone, fact.rest_at)
            apart += fact.webhook_at is not None and fact.webhook_at != fact.rest_at
    assert apart


def test_days_of_people_by_source(config: SiteConfig) -> None:
    found = all_of(config)
    both, webhook, rest = (user_days(config, found, source) for source in ("both", "webhook", "rest"))
    assert rest <= both
    assert len(both | webhook) - len(both & webhook) <= 4, "they differ at midnight only"
    people = {fact.account_id for fact in found if fact.account_type == "atlassian"}
    assert {account for _, account in both} <= people


def test_directory_truth_counts_its_own_rows(config: SiteConfig) -> None:
    rows = list(directory_truth(Directory(config), config.now_ms))
    licenses = Counter(row["product"] for row in rows if row["kind"] == "license")
    seats = {row["product"]: row for row in rows if row["kind"] == "seats"}
    assert {product: row["used"] for product, row in seats.items() if row["used"]} == licenses
    assert all(row["used"] <= row["total"] for row in seats.values())
    users = [row for row in rows if row["kind"] == "user"]
    assert len({row["account_id"] for row in users}) == len(users)
    assert any(row["email"] is None for row in users)
