"""One act, told by a webhook and by REST, is one fact: the same in every part, or refused by both."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.identity import EntityKind
from rollcall.jira.values import parse_jira_time

from ..mutations import REPLACEMENTS, damage, paths
from .readers import (
    ANN,
    BOB,
    CREATED,
    UPDATED,
    Json,
    Reading,
    change_by_rest,
    change_by_webhook,
    comment,
    creation_by_rest,
    creation_by_webhook,
    entity_by_rest,
    entity_by_webhook,
    history,
    issue,
    worklog,
)

STAMP = 1_793_527_200_999
LONG_KEY = "X" * 1025
MAKERS: dict[EntityKind, Any] = {"comment": comment, "worklog": worklog}


def the_same(one: Reading, other: Reading) -> None:
    """Assert the contract: the facts are equal, and one reader refuses only what the other refuses, REST once.

    REST counts besides a fact that is nobody's though somebody is named, so that the run says what its days lack.
    """
    assert one.facts == other.facts
    assert one.refused == 0 or other.refused == 1
    assert other.refused <= int(one.refused > 0 or any(not fact.account_id for fact in other.facts))


def keys(reading: Reading) -> list[str]:
    return [fact.event_key for fact in reading.facts]


both_kinds = pytest.mark.parametrize("kind", ["comment", "worklog"])


@both_kinds
@pytest.mark.parametrize("entity_id", [77, "77"])
@pytest.mark.parametrize(
    ("created", "updated"),
    [
        (CREATED, UPDATED),
        ("2026-11-01T14:30:00.123+05:30", "2026-11-01T10:00:00.456Z"),
        (parse_jira_time(CREATED), parse_jira_time(UPDATED)),
        (str(parse_jira_time(CREATED)), UPDATED),
    ],
)
def test_added_and_edited(kind: EntityKind, entity_id: object, created: object, updated: object) -> None:
    entity = MAKERS[kind](id=entity_id, created=created, updated=updated)
    told = entity_by_webhook(kind, entity)
    the_same(told, entity_by_rest(kind, entity))
    assert keys(told) == [f"{kind}:77:created", f"{kind}:77:updated:{parse_jira_time(UPDATED)}"]
    assert [fact.account_id for fact in told.facts] == [ANN["accountId"], BOB["accountId"]]


@both_kinds
@pytest.mark.parametrize(
    "updated",
    [CREATED, parse_jira_time(CREATED), "2026-11-01T09:00:00.123Z", "2026-11-01T09:00:00.122Z", "2003-01-01T00:00:00Z"],
)
def test_an_edit_at_its_creation_or_before_is_none(kind: EntityKind, updated: object) -> None:
    entity = MAKERS[kind](updated=updated)
    told = entity_by_webhook(kind, entity)
    the_same(told, entity_by_rest(kind, entity))
    assert keys(told) == [f"{kind}:77:created"]


@both_kinds
@pytest.mark.parametrize(
    "odd",
    [
        {"author": {"accountId": True}},
        {"author": {"accountId": "x" * 129}},
        {"author": {"accountId": "x" * 128}},
        {"author": "ann"},
        {"author": ["ann"]},
        {"author": None},
        {"author": {}},
        {"updateAuthor": "ann"},
        {"updateAuthor": {"accountId": "x" * 129}},
        {"updateAuthor": {**ANN, "accountType": 5}},
        {"author": {**ANN, "displayName": 5, "emailAddress": [], "active": "yes"}},
        {"id": True},
        {"id": 7.0},
        {"id": None},
        {"created": "soon"},
        {"created": "1970-01-02T00:00:00.000+0000"},
        {"created": []},
        {"updated": "soon"},
        {"updated": 5.5},
        {"body": {"type": "doc"}, "visibility": 7, "unknown": None},
    ],
    ids=str,
)
def test_an_odd_part_spoils_the_same_facts(kind: EntityKind, odd: Json) -> None:
    entity = MAKERS[kind](**odd)
    the_same(entity_by_webhook(kind, entity), entity_by_rest(kind, entity))


@both_kinds
@pytest.mark.parametrize("odd", [{"author": "ann"}, {"created": "soon"}, {"created": "1970-01-02T00:00:00.000+0000"}])
def test_what_spoils_the_creation_leaves_the_edit(kind: EntityKind, odd: Json) -> None:
    told = entity_by_rest(kind, MAKERS[kind](**odd))
    assert keys(told) == [f"{kind}:77:updated:{parse_jira_time(UPDATED)}"]
    assert told.refused == 1


def test_what_spoils_the_edit_leaves_the_creation() -> None:
    told = entity_by_rest("comment", comment(updateAuthor={"accountId": 5}))
    assert (keys(told), told.refused) == (["comment:77:created"], 1)


@pytest.mark.parametrize("kind", ["atlassian", "app", "customer", "unknown", None, 5, "martian"])
@pytest.mark.parametrize("account", ["ann", "unknown", "", None, " ", "a\ud83d", "x" * 128, "x" * 129])
def test_accounts(kind: object, account: object) -> None:
    person = {"accountId": account, "accountType": kind}
    entity = comment(author=person, updateAuthor=person)
    told = entity_by_webhook("comment", entity)
    the_same(told, entity_by_rest("comment", entity))
    known = account if account in ("ann", "x" * 128) else ""
    assert {fact.account_id for fact in told.facts} <= {known}
    assert {fact.account_type for fact in told.facts} <= {
        kind if known and kind in ("atlassian", "app", "customer") else ""
    }


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"key": "K" * 1025 + "-1"},
        {"key": 5},
        {"key": None},
        {"key": "\ud83d-1"},
        {"fields": {"project": {"key": "\udc00"}, "created": CREATED, "creator": ANN}},
        {"id": True},
        {"id": None},
        {"fields": {"project": {"key": LONG_KEY}, "created": CREATED, "creator": ANN}},
        {"fields": {"project": {"key": 5}, "created": CREATED, "creator": ANN}},
        {"fields": {"project": "ACME", "created": CREATED, "creator": ANN}},
        {"fields": {"project": None, "created": CREATED, "creator": BOB}},
        {"fields": {"created": CREATED, "creator": "ann"}},
        {"fields": {"created": "soon", "creator": ANN}},
        {"fields": {"created": CREATED}},
        {"fields": {"created": CREATED, "creator": ANN, "comment": "none", "updated": 7}},
        {"fields": {}},
        {"fields": 5},
    ],
    ids=lambda odd: str(odd)[:60],
)
def test_an_issue_created(odd: Json) -> None:
    found = issue(**odd)
    the_same(creation_by_webhook(found), creation_by_rest(found))
    entity = comment()
    the_same(entity_by_webhook("comment", entity, found), entity_by_rest("comment", entity, found))


def test_an_endless_key_is_none_and_never_a_cut_one() -> None:
    found = issue(key="K" * 1025 + "-1", fields={"project": {"key": LONG_KEY}, "created": CREATED, "creator": ANN})
    told = creation_by_rest(found)
    assert [(fact.issue_id, fact.issue_key, fact.project_key) for fact in told.facts] == [(10001, "", "")]
    told = creation_by_rest({**found, "key": "ACME-1"})
    assert [(fact.issue_key, fact.project_key) for fact in told.facts] == [("ACME-1", "ACME")]


@both_kinds
def test_what_is_older_than_jira_is_refused_where_it_is_told_as_news_alone(kind: EntityKind) -> None:
    """Things that were moved from an older tracker have such times; REST brings them with every run."""
    told = entity_by_webhook(kind, MAKERS[kind](created=OLD))
    read = entity_by_rest(kind, MAKERS[kind](created=OLD))
    assert keys(told) == keys(read) == [f"{kind}:77:updated:{parse_jira_time(UPDATED)}"]
    assert (told.refused, read.refused) == (1, 0)
    read = entity_by_rest(kind, MAKERS[kind](updated=OLD))
    assert (keys(read), read.refused) == ([f"{kind}:77:created"], 0)
    old = {"project": {"key": "ACME"}, "created": OLD, "updated": UPDATED, "creator": ANN}
    assert creation_by_rest(issue(fields=old)) == Reading(())
    assert change_by_rest(history({"fieldId": "status"}, created=OLD)) == Reading(())


ITEMS: list[list[object]] = [
    [{"field": "assignee", "fieldId": "assignee", "from": None, "to": "5b10", "toString": "Ann"}],
    [{"field": "Статус", "fieldId": "Status", "from": 1, "to": 3}, {"field": "resolution"}],
    [{"field": "Attachment", "from": None, "to": "10500", "toString": "picture.png"}],
    [{"field": "Link", "to": "ACME-2"}, {"field": "Link", "to": "ACME-3"}],
    [{"field": "WorklogId", "from": None, "to": "10066"}, {"field": "timespent", "fieldId": "timespent"}],
    [{"field": "WorklogId", "from": "10066", "to": None, "toString": None}],
    [{"field": "Comment", "from": "77", "to": None, "fromString": "text", "toString": ""}],
    [{"field": f"customfield_{number}"} for number in range(1001)],
    [{"field": 5, "fieldId": "status"}, {"field": "labels", "fieldId": ["x"]}],
    [{"fieldId": "status", "from": True, "to": 1.5}],
    ["status", None, 7, {"fieldId": "priority"}],
    [{"field": "x" * 300}],
    [],
]


@pytest.mark.parametrize("items", ITEMS, ids=lambda items: str(items)[:40])
def test_an_issue_changed(items: list[object]) -> None:
    entry = history(*items)
    told = change_by_webhook(entry)
    the_same(told, change_by_rest(entry))
    assert keys(told) == ["history:900"]


@pytest.mark.parametrize(
    "odd",
    [{"author": "ann"}, {"author": None}, {"id": 900}, {"id": "x"}, {"items": "status"}, {"created": "soon"}],
    ids=str,
)
def test_an_odd_changelog_entry(odd: Json) -> None:
    entry = history({"fieldId": "status"}, **odd)
    the_same(change_by_webhook(entry), change_by_rest(entry))


OLD = "1999-01-01T00:00:00.000+0000"

ABSURD: list[object] = [
    None,
    [],
    {},
    "",
    "soon",
    OLD,
    0,
    -1,
    1.5,
    True,
    10**400,
    "x" * 2000,
    "\ud83d",
    {"id": []},
]


@both_kinds
@pytest.mark.parametrize("value", ABSURD, ids=lambda value: str(value)[:20].encode("ascii", "replace").decode())
def test_an_absurd_part_of_an_entity_is_the_same_to_both(kind: EntityKind, value: object) -> None:
    for part in ("id", "author", "updateAuthor", "created", "updated", "body", "self", "visibility", "unknown"):
        entity = MAKERS[kind](**{part: value})
        if part == "created" and value is None:
            continue  # allowed: a webhook has its timestamp
        if part in ("created", "updated") and value == OLD:
            continue  # see below
        the_same(entity_by_webhook(kind, entity), entity_by_rest(kind, entity))


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: str(value)[:20].encode("ascii", "replace").decode())
def test_an_absurd_part_of_a_change_is_the_same_to_both(value: object) -> None:
    for part in ("id", "author", "historyMetadata"):
        entry = history({"fieldId": "status"}, **{part: value})
        the_same(change_by_webhook(entry), change_by_rest(entry))
    for part in ("field", "fieldId", "from", "to", "fromString", "toString", "tmpFromAccountId"):
        entry = history({"fieldId": "status", part: value}, value)
        the_same(change_by_webhook(entry), change_by_rest(entry))
        assert keys(change_by_rest(entry)) == ["history:900"]


@both_kinds
@pytest.mark.parametrize(
    ("author", "counted"),
    [(None, 0), ({"accountId": ""}, 0), ({"accountId": "unknown"}, 0), ({}, 1), ({"accountId": None}, 1)],
    ids=str,
)
def test_rest_counts_whom_jira_names_without_saying_who(kind: EntityKind, author: object, counted: int) -> None:
    entity = MAKERS[kind](author=author)
    told, rest = entity_by_webhook(kind, entity), entity_by_rest(kind, entity)
    the_same(told, rest)
    assert (told.refused, rest.refused) == (0, counted)
    assert [fact.account_id for fact in rest.facts] == ["", BOB["accountId"]]


def test_half_an_emoji_spoils_nothing() -> None:
    entity = comment(body="cut \ud83d", author={**ANN, "displayName": "\udc00"})
    told = entity_by_webhook("comment", entity)
    the_same(told, entity_by_rest("comment", entity))
    assert len(told.facts) == 2


def test_allowed_a_creation_without_a_time_has_the_webhooks_timestamp() -> None:
    """REST gives no other time."""
    told = entity_by_webhook("comment", comment(created=None), timestamp=STAMP)
    assert [fact.occurred_at for fact in told.facts] == [STAMP, parse_jira_time(UPDATED)]
    rest = entity_by_rest("comment", comment(created=None))
    assert (rest.facts, rest.refused) == (told.facts[1:], 1)
    found = issue(fields={"creator": ANN})
    assert keys(creation_by_webhook(found, timestamp=STAMP)) == ["issue:10001:created"]
    assert creation_by_rest(found) == Reading((), 1)


def test_allowed_rest_says_without_updated_that_nothing_was_edited() -> None:
    """A webhook that says it was, and not when, is not understood: tests/ingest."""
    assert entity_by_rest("comment", comment(updated=None)) == entity_by_webhook("comment", comment(updated=None))


def test_allowed_a_change_has_two_times() -> None:
    """REST's history is milliseconds later than the issue's ``updated``; REST's wins in the warehouse."""
    entry = history({"fieldId": "status"}, created="2026-11-01T11:00:00.460+0100")
    told = change_by_webhook(history({"fieldId": "status"}, created=UPDATED))
    rest = change_by_rest(entry)
    assert keys(told) == keys(rest)
    assert rest.facts[0].occurred_at - told.facts[0].occurred_at == 4


HOW = st.sampled_from(["drop", "null", "replace", "replace"])


@st.composite
def damaged(draw: st.DrawFn, *makers: Any) -> Json:
    payload: Json = json.loads(json.dumps(draw(st.sampled_from(makers))()))
    for path in draw(st.lists(st.sampled_from(paths(payload)), min_size=1, max_size=4)):
        damage(payload, path, draw(HOW), draw(REPLACEMENTS))
    return payload


relaxed = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))


@both_kinds
@relaxed
@given(data=st.data())
def test_damaged_entities(kind: EntityKind, data: st.DataObject) -> None:
    entity = data.draw(damaged(MAKERS[kind]))
    the_same(entity_by_webhook(kind, entity), entity_by_rest(kind, entity))


@relaxed
@given(damaged(issue))
def test_damaged_issues(found: Json) -> None:
    the_same(creation_by_webhook(found), creation_by_rest(found))
    the_same(entity_by_webhook("comment", comment(), found), entity_by_rest("comment", comment(), found))


@relaxed
@given(damaged(*(lambda items=items: history(*items[:3]) for items in ITEMS)))
def test_damaged_changelog_entries(entry: Json) -> None:
    told = change_by_webhook(entry)
    if keys(told) and keys(told)[0].startswith("issue:10001:updated:"):
        return  # no id and no items is no changelog to a webhook; REST has no such entries
    the_same(told, change_by_rest(entry))
