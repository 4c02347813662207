"""Which events make which facts."""

import pytest

from ingest import handler
from ingest.handler import event_label
from rollcall.errors import NotUnderstoodError
from rollcall.jira import events
from rollcall.records import decode_activity, encode

from .payloads import (
    ANN,
    BOB,
    CREATED,
    CREATED_MS,
    STAMP,
    UPDATED_MS,
    Json,
    changed,
    comment,
    encoded,
    issue_event,
    person,
    told,
    without,
    worklog,
)


def keys(payload: Json) -> list[tuple[str, str, str, int]]:
    return [(fact.event_key, fact.family, fact.action, fact.occurred_at) for fact in told(payload).facts]


@pytest.mark.parametrize(
    ("payload", "key", "family", "action", "at"),
    [
        (comment("comment_created"), "comment:77:created", "comment", "created", CREATED_MS),
        (comment("comment_updated"), f"comment:77:updated:{UPDATED_MS}", "comment", "updated", UPDATED_MS),
        (comment("comment_deleted"), "comment:77:deleted", "comment", "deleted", STAMP),
        (worklog("worklog_created"), "worklog:77:created", "worklog", "created", CREATED_MS),
        (worklog("worklog_updated"), f"worklog:77:updated:{UPDATED_MS}", "worklog", "updated", UPDATED_MS),
        (worklog("jira:worklog_updated"), f"worklog:77:updated:{UPDATED_MS}", "worklog", "updated", UPDATED_MS),
        (worklog("worklog_deleted"), "worklog:77:deleted", "worklog", "deleted", STAMP),
        (issue_event("jira:issue_created"), "issue:10001:created", "history", "created", CREATED_MS),
        (issue_event("jira:issue_updated"), "history:900", "history", "updated", UPDATED_MS),
        (issue_event("jira:issue_deleted"), "issue:10001:deleted", "history", "deleted", STAMP),
    ],
    ids=lambda value: value["webhookEvent"] if isinstance(value, dict) else "",
)
def test_identity_and_time_of_each_event(payload: Json, key: str, family: str, action: str, at: int) -> None:
    assert keys(payload) == [(key, family, action, at)]


def test_the_changelog_of_a_creation_is_no_edit() -> None:
    assert told(issue_event("jira:issue_created")).facts[0].fields == []


@pytest.mark.parametrize("entity_id", [77, "77"])
def test_ids_are_numbers_or_strings(entity_id: object) -> None:
    assert keys(comment("comment_created", id=entity_id))[0][0] == "comment:77:created"


@pytest.mark.parametrize("bad", ["", "x", -1, 1.5, True, [], 2**63, "9" * 400, None])
def test_an_entity_without_an_id_is_not_understood(bad: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(comment("comment_created", id=bad))
    assert caught.value.reason == "no_id"


@pytest.mark.parametrize("event", ["comment_updated", "comment_created", "comment_deleted"])
@pytest.mark.parametrize("bad", [None, "text", []])
def test_an_event_without_its_entity_is_not_understood(event: str, bad: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told({**comment(event), "comment": bad})
    assert caught.value.reason == "no_entity"


@pytest.mark.parametrize("updated", [CREATED, CREATED_MS, "2026-03-01T08:00:00.500Z"])
@pytest.mark.parametrize("payload", [comment("comment_updated"), worklog("worklog_updated")])
def test_an_edit_that_changed_nothing_is_no_edit(payload: Json, updated: object) -> None:
    kind = "comment" if "comment" in payload else "worklog"
    got = told(changed(payload, updated, kind, "updated"))
    assert (got.facts, got.outcome) == ((), "no_edit")


@pytest.mark.parametrize(
    "name", ["issue_commented", "issue_comment_edited", "ISSUE_COMMENT_DELETED", "issue_work_logged", "worklog_deleted"]
)
@pytest.mark.parametrize("changelog", [None, {}, {"id": "900", "items": []}, {"id": "900", "items": None}])
def test_an_echo_of_a_comment_or_worklog_makes_no_fact(name: str, changelog: object) -> None:
    got = told(issue_event("jira:issue_updated", issue_event_type_name=name, changelog=changelog))
    assert (got.facts, got.outcome) == ((), "echo")


@pytest.mark.parametrize("name", ["issue_updated", "issue_generic", None, 5])
@pytest.mark.parametrize("changelog", [None, {}, {"id": "900", "items": []}])
@pytest.mark.parametrize("entity", [{"comment": {"id": "77"}}, {"worklog": {"id": 77}}, {"comment": {}}])
def test_an_update_with_a_comment_or_worklog_in_it_is_its_echo(name: object, changelog: object, entity: Json) -> None:
    got = told(issue_event("jira:issue_updated", issue_event_type_name=name, changelog=changelog, **entity))
    assert (got.facts, got.outcome) == ((), "echo")


@pytest.mark.parametrize("entity", [{"comment": {"id": "77"}}, {"worklog": {"id": 77}}])
def test_changed_fields_make_a_fact_also_beside_a_comment_or_worklog(entity: Json) -> None:
    assert keys(issue_event("jira:issue_updated", **entity))[0][0] == "history:900"


def test_an_old_worklog_event_without_a_worklog_is_its_changelogs_fact() -> None:
    items = [{"field": "WorklogId", "from": None, "to": "10066"}, {"field": "timespent", "fieldId": "timespent"}]
    payload = issue_event("jira:worklog_updated", changelog={"id": "900", "items": items})
    (fact,) = told(payload).facts
    assert (fact.event_key, fact.account_id, fact.occurred_at) == ("history:900", ANN, UPDATED_MS)
    assert fact.fields == ["worklogid", "timespent"]
    both = told({**payload, "worklog": worklog("worklog_updated")["worklog"]})
    assert both.facts[0].event_key == f"worklog:77:updated:{UPDATED_MS}"


@pytest.mark.parametrize("changelog", [None, {}, {"id": "900", "items": []}])
def test_an_old_worklog_event_with_neither_worklog_nor_changes_is_not_understood(changelog: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(issue_event("jira:worklog_updated", changelog=changelog))
    assert caught.value.reason == "no_entity"


def test_an_update_with_neither_is_no_echo() -> None:
    payload = issue_event("jira:issue_updated", changelog=None, comment=None, worklog=None)
    assert told(payload).outcome == "facts"


def test_a_changelog_makes_a_fact_whatever_the_event_type_is_called() -> None:
    got = told(issue_event("jira:issue_updated", issue_event_type_name="issue_worklog_updated"))
    assert got.facts[0].event_key == "history:900"


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_changelog_with_an_id_is_a_fact(items: object) -> None:
    assert keys(issue_event("jira:issue_updated", changelog={"id": 900, "items": items}))[0][0] == "history:900"


@pytest.mark.parametrize("changelog", [None, {}, {"items": []}, {"id": None}])
def test_an_update_without_a_changelog_is_known_by_its_time(changelog: object) -> None:
    payload = issue_event("jira:issue_updated", changelog=changelog)
    assert keys(payload)[0][0] == f"issue:10001:updated:{UPDATED_MS}:{ANN}"
    assert keys(without(payload, "issue", "fields", "updated"))[0][0] == f"issue:10001:updated:{STAMP}:{ANN}"


def test_two_people_who_changed_an_issue_in_one_millisecond_are_two_facts() -> None:
    people = [person(ANN), person(BOB), None, {"accountId": "unknown"}, person("x" * 128)]
    facts = [told(issue_event("jira:issue_updated", changelog=None, user=user)).facts[0] for user in people]
    assert [fact.event_key.partition(f":{UPDATED_MS}:")[2] for fact in facts] == [ANN, BOB, "", "", "x" * 128]
    assert [decode_activity(encode(fact)) for fact in facts] == facts


@pytest.mark.parametrize("changelog", ["x", 5, [], {"id": "x", "items": []}, {"id": 1, "items": "x"}, {"items": [{}]}])
def test_a_changelog_of_another_form_is_not_understood(changelog: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(issue_event("jira:issue_updated", changelog=changelog))
    assert caught.value.reason in ("bad_changelog", "no_id")


def test_changed_fields_are_ids_else_names_and_unreadable_items_are_left_out() -> None:
    items = [{"field": "Статус", "fieldId": "status"}, {"field": "WorklogId"}, {"field": 5}, None, {"fieldId": ["x"]}]
    got = told(issue_event("jira:issue_updated", changelog={"id": 900, "items": items}))
    assert got.facts[0].fields == ["status", "worklogid"]


@pytest.mark.parametrize(
    "event", ["comment_deleted", "worklog_deleted", "jira:issue_deleted", "attachment_deleted", "x_deleted"]
)
@pytest.mark.parametrize("flow", ["Secondary", "secondary", " SECONDARY "])
def test_a_cascaded_deletion_is_nobodys_activity(event: str, flow: str) -> None:
    got = told({"webhookEvent": event}, flow)
    assert (got.facts, got.outcome) == ((), "cascade")


@pytest.mark.parametrize("flow", ["Secondary", "Primary", ""])
def test_an_issue_deleted_in_bulk_is_its_users_act(flow: str) -> None:
    payload = issue_event("jira:issue_deleted", bulkOperationMetaData={"total": 3})
    (fact,) = told(payload, flow).facts
    assert (fact.event_key, fact.account_id) == ("issue:10001:deleted", ANN)


@pytest.mark.parametrize("user", [None, {}, {"accountId": None}, {"accountId": "unknown"}, {"accountId": ""}])
def test_an_issue_deleted_along_with_something_else_names_nobody(user: object) -> None:
    payload = issue_event("jira:issue_deleted", user=user)
    assert told(payload, "Secondary") == ((), "jira:issue_deleted", "cascade")
    assert told(payload, "Primary").facts[0].account_id == ""


@pytest.mark.parametrize("payload", [comment("comment_deleted"), worklog("worklog_deleted")])
def test_a_cascade_stays_one_whatever_user_is_at_the_top(payload: Json) -> None:
    assert told({**payload, "user": person(ANN)}, "Secondary").outcome == "cascade"


@pytest.mark.parametrize("flow", ["Primary", ""])
def test_other_deletions_are_facts(flow: str) -> None:
    assert told(comment("comment_deleted"), flow).facts


def test_other_secondary_deliveries_are_facts() -> None:
    assert told(issue_event("jira:issue_updated"), "Secondary").facts


def test_every_event_that_may_make_facts_has_a_reader_and_no_other() -> None:
    assert handler._READERS.keys() == events.FACTS == {*events.REGISTERED, "jira:worklog_updated"}
    assert all(events.label(name) == name for name in events.FACTS | events.IGNORED)


@pytest.mark.parametrize("event", sorted(events.IGNORED))
def test_known_events_of_no_interest_are_ignored(event: str) -> None:
    assert told({"webhookEvent": event, "timestamp": STAMP}) == ((), event, "ignored")


@pytest.mark.parametrize(
    ("event", "label"),
    [
        ("jira:version_released", "jira:version_*"),
        ("issuetype_created", "issuetype_*"),
        ("filter_deleted", "filter_*"),
        ("board_configuration_changed", "board_*"),
        ("option_voting_changed", "option_*"),
        ("app_access_to_objects_in_container_blocked", "app_access_to_objects*"),
        ("jira:issue_unknown", "other"),
        ("Comment_Created", "other"),
        ("x" * 10_000, "other"),
    ],
)
def test_families_of_events_and_unknown_ones_are_ignored(event: str, label: str) -> None:
    assert told({"webhookEvent": event}) == ((), label, "ignored")


@pytest.mark.parametrize(
    "payload", [{}, {"webhookEvent": None}, {"webhookEvent": 5}, {"webhookEvent": ""}, {"accountId": "x"}]
)
def test_a_body_without_an_event_is_not_understood(payload: Json) -> None:
    with pytest.raises(NotUnderstoodError, match="'Send web request', a workflow's post function") as caught:
        told(payload)
    assert caught.value.reason == "no_event"
    assert "Data Center" not in caught.value.detail


def test_the_label_of_a_body_that_is_not_understood() -> None:
    assert event_label(encoded(comment("comment_created", id=None))) == "comment_created"
    assert event_label(b"{") == event_label(b"{}") == event_label(encoded({"webhookEvent": "zzz"})) == "other"
