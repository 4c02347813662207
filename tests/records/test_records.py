"""Records: flat JSON that round trips, and nothing else is taken for one."""

import json
from typing import Any

import msgspec
import pytest

from rollcall.jira.values import ChangelogItem as Item
from rollcall.jira.values import changed_fields
from rollcall.records import (
    DeadLetter,
    License,
    Role,
    Seats,
    SnapshotComplete,
    User,
    decode_activity,
    decode_dead_letter,
    decode_directory,
    encode,
)

from ..facts import fact, ms

WHEN = ms("2026-11-02T10:00:00")
BASE: dict[str, Any] = {"site": "acme", "snapshot_id": WHEN}


def test_a_fact_is_flat_json_and_round_trips() -> None:
    one = fact("history:1", WHEN, fields=["assignee", "status"], issue_id=7, issue_key="ACME-7", project_key="ACME")
    written = json.loads(encode(one))
    assert list(written) == [
        "site", "event_key", "account_id", "account_type", "family", "action", "occurred_at", "issue_id", "issue_key",
        "project_key", "fields", "source", "received_at",
    ]  # fmt: skip
    assert all(not isinstance(value, dict) for value in written.values())
    assert decode_activity(encode(one)) == one


@pytest.mark.parametrize(
    "row",
    [
        User(account_id="anna", display_name="Anna", email=None, account_type="atlassian", **BASE),
        License(product="jira-software", account_id="anna", **BASE),
        Role(account_id="anna", role="member", scope="group", **BASE),
        Seats(product="jira-software", total=None, used=3, **BASE),
        SnapshotComplete(users=1, licenses=1, roles=1, seats=1, completed_at=WHEN, **BASE),
    ],
)
def test_directory_rows_round_trip_by_kind(row: Any) -> None:
    assert decode_directory(encode(row)) == row


def test_a_dead_letter_keeps_any_bytes() -> None:
    letter = DeadLetter(
        letter_id="0" * 32,
        site="acme",
        origin="webhook",
        reason="x",
        detail="y",
        payload=bytes(range(256)),
        received_at=1,
    )
    assert decode_dead_letter(encode(letter)) == letter


@pytest.mark.parametrize(
    "change",
    [
        {"event_key": ""}, {"event_key": "x" * 257}, {"account_id": "x" * 129}, {"account_type": "martian"},
        {"family": "issue"}, {"action": "read"}, {"occurred_at": 5}, {"occurred_at": "2026-11-02"}, {"issue_id": -1},
        {"source": "guess"}, {"fields": "status"}, {"site": None},
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_no_fact(change: dict[str, Any]) -> None:
    data = json.dumps({**json.loads(encode(fact("history:1", WHEN))), **change}).encode()
    with pytest.raises(msgspec.ValidationError):
        decode_activity(data)


def test_fields_are_ids_else_names_in_lower_case_and_once() -> None:
    items = [
        Item("Статус", "status"), Item("WorklogId"), Item("Attachment", "Attachment"), Item("Status", "status"),
        Item(None, "customfield_10072"), Item(None, None), Item("  "), Item("x" * 1000),
    ]  # fmt: skip
    assert changed_fields(items) == ["status", "worklogid", "attachment", "customfield_10072", "x" * 255]
