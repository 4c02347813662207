"""Who is credited."""

import pytest

from rollcall.errors import NotUnderstoodError
from rollcall.records import Activity

from .payloads import ANN, BOB, Json, changed, comment, issue_event, person, told, without, worklog


def only(payload: Json) -> Activity:
    (fact,) = told(payload).facts
    return fact


@pytest.mark.parametrize(
    ("payload", "account"),
    [
        (comment("comment_created"), ANN),
        (comment("comment_updated"), BOB),
        (comment("comment_deleted"), ""),
        (worklog("worklog_created"), ANN),
        (worklog("worklog_updated"), BOB),
        (worklog("jira:worklog_updated"), BOB),
        (worklog("worklog_deleted"), ""),
        (issue_event("jira:issue_created"), ANN),
        (issue_event("jira:issue_updated"), ANN),
        (issue_event("jira:issue_deleted"), ANN),
    ],
    ids=lambda value: value["webhookEvent"] if isinstance(value, dict) else "",
)
def test_the_actor_of_each_event(payload: Json, account: str) -> None:
    fact = only(payload)
    assert fact.account_id == account
    assert fact.account_type == ("atlassian" if account else "")


@pytest.mark.parametrize("payload", [comment("comment_deleted"), worklog("worklog_deleted")])
@pytest.mark.parametrize("user", [person(ANN), person("else", "app"), "somebody", None])
def test_a_deletion_is_nobodys_whatever_user_is_at_the_top(payload: Json, user: object) -> None:
    """Jira Cloud sends none there (captures), so that who it would be is not known."""
    fact = only({**payload, "user": user})
    assert (fact.account_id, fact.account_type) == ("", "")


def test_another_user_at_the_top_does_not_become_the_author() -> None:
    assert only({**comment("comment_created"), "user": person("else")}).account_id == ANN


def test_an_edit_without_update_author_is_not_the_authors() -> None:
    assert only(without(comment("comment_updated"), "comment", "updateAuthor")).account_id == ""


@pytest.mark.parametrize(
    "gone", [None, {}, {"accountId": None}, {"accountId": "unknown"}, {"accountId": ""}, {"accountId": " \n "}]
)
def test_an_anonymous_act_is_a_fact_without_an_account(gone: object) -> None:
    fact = only(comment("comment_created", author=gone))
    assert (fact.account_id, fact.account_type) == ("", "")


@pytest.mark.parametrize("bad", [12, True, ["x"], {"id": "x"}, 1.5, "x" * 129])
def test_an_account_id_that_is_none_is_not_understood(bad: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(comment("comment_created", author={"accountId": bad}))
    assert caught.value.reason == "bad_actor"


@pytest.mark.parametrize("bad", ["somebody", 7, ["x"], False])
def test_a_person_that_is_no_object_is_not_understood(bad: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(issue_event("jira:issue_updated", user=bad))
    assert caught.value.reason == "bad_actor"


def test_the_longest_account_id_is_taken() -> None:
    assert only(comment("comment_created", author={"accountId": "x" * 128})).account_id == "x" * 128


@pytest.mark.parametrize(
    ("account_type", "kept"),
    [("atlassian", "atlassian"), ("app", "app"), ("customer", "customer"), ("unknown", ""), (5, ""), (None, "")],
)
def test_account_types(account_type: object, kept: str) -> None:
    author = {"accountId": ANN, "accountType": account_type}
    assert only(comment("comment_created", author=author)).account_type == kept


NAMED = {"name": "ann", "key": "ann"}


@pytest.mark.parametrize(
    "payload",
    [
        comment("comment_created", author=NAMED, updateAuthor=NAMED),
        comment("comment_created", author={"username": "ann"}, updateAuthor=None),
        worklog("worklog_deleted", author=NAMED, updateAuthor=None),
        issue_event("jira:issue_updated", user=NAMED),
        issue_event("jira:issue_updated", user={**NAMED, "accountId": None}),
        issue_event("jira:issue_updated", user=NAMED, issue_event_type_name="issue_commented", changelog=None),
        {"webhookEvent": "never_heard_of", "user": NAMED},
        {"webhookEvent": "attachment_created", "attachment": {"author": NAMED}},
        {"user": NAMED},
    ],
)
def test_people_with_names_only_mean_data_center(payload: Json) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(payload, flow="Secondary")
    assert caught.value.reason == "data_center"
    assert caught.value.detail.startswith("Jira Data Center payload: ")


def test_one_account_id_is_enough_to_mean_cloud() -> None:
    fact = only(comment("comment_updated", author={**NAMED, "accountId": ANN}, updateAuthor=NAMED))
    assert fact.account_id == ""


def test_a_cloud_payload_that_still_has_names_is_a_cloud_payload() -> None:
    assert only(changed(comment("comment_created"), "ann", "comment", "author", "name")).account_id == ANN
