"""When it happened."""

import pytest

from rollcall.errors import NotUnderstoodError

from .payloads import RECEIVED, STAMP, Json, changed, comment, issue_event, told, without, worklog

DAY = 86_400_000


@pytest.mark.parametrize(
    "payload",
    [
        without(comment("comment_created"), "comment", "created"),
        comment("comment_created", created=None),
        without(worklog("worklog_created"), "worklog", "created"),
        without(issue_event("jira:issue_created"), "issue", "fields", "created"),
        without(issue_event("jira:issue_updated"), "issue", "fields", "updated"),
        without(issue_event("jira:issue_updated"), "issue"),
    ],
)
def test_the_envelopes_time_stands_in_for_a_missing_one(payload: Json) -> None:
    assert told(payload).facts[0].occurred_at == STAMP


@pytest.mark.parametrize(
    "payload",
    [
        without(comment("comment_updated"), "comment", "updated"),
        without(worklog("worklog_updated"), "worklog", "updated"),
        without(comment("comment_deleted"), "timestamp"),
        without(issue_event("jira:issue_deleted"), "timestamp"),
        without(without(comment("comment_created"), "comment", "created"), "timestamp"),
    ],
)
def test_a_needed_time_that_is_missing_is_not_understood(payload: Json) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(payload)
    assert caught.value.reason == "no_time"


@pytest.mark.parametrize("bad", ["yesterday", "2026-03-01T09:00:00.500", [], {}, True, 1.5, "", "2026-13-01T00:00:00Z"])
def test_a_time_in_another_form_is_not_understood(bad: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(comment("comment_created", created=bad))
    assert caught.value.reason == "bad_time"


@pytest.mark.parametrize(
    "at",
    ["1999-12-31T23:59:59.000+0000", "2100-01-01T00:00:00.000+0000", RECEIVED + DAY + 1, 4_200_000_000_000, 10**400],
)
def test_an_implausible_time_is_not_understood(at: object) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        told(comment("comment_created", created=at))
    assert caught.value.reason == "implausible_time"


def test_clocks_may_differ_by_a_day() -> None:
    assert told(changed(comment("comment_deleted"), RECEIVED + DAY, "timestamp")).facts


def test_a_year_old_body_is_as_good_as_a_new_one() -> None:
    """A body sent again yields the same facts; no age limit refuses it."""
    assert told(changed(comment("comment_deleted"), RECEIVED - 365 * DAY, "timestamp")).facts
