"""Webhook bodies have the keys that captures from Jira Cloud have, and no others."""

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from simulator import SiteConfig
from simulator.hooks.delivery import Announcer, Delivery
from simulator.life.act import Act
from simulator.life.birth import FIRST_ID, special_births
from simulator.life.changes import attach
from simulator.life.editor import IssueEditor
from simulator.life.stream import acts

from .shape import differences, without_custom_fields
from .walk import ms

SAMPLES = Path(__file__).parent / "samples"

CAPTURES = {
    "comment_created": ["zulip-comment-created", "mattermost-comment-created"],
    "comment_updated": ["zulip-comment-updated", "mattermost-comment-updated"],
    "comment_deleted": ["zulip-comment-deleted", "mattermost-comment-deleted"],
    "worklog_created": ["zulip-worklog-created"],
    "worklog_updated": ["zulip-worklog-updated"],
    "worklog_deleted": ["zulip-worklog-deleted"],
    "jira:issue_created": ["mattermost-issue-created"],
    "jira:issue_deleted": ["mattermost-issue-deleted"],
    "jira:issue_updated": ["mattermost-issue-updated-labels", "mattermost-issue-updated-started-working"],
}
SOMETIMES = (".lastViewed", ".environment", ".aggregatetimespent", ".issuetype.entityId", ".timetracking.")
"""What some captures of one event carry and others do not; entityId is of team-managed projects."""


@pytest.fixture(scope="module")
def sent(config: SiteConfig) -> dict[str, list[tuple[Act, Delivery, dict[str, Any]]]]:
    announcer = Announcer(config)
    found: dict[str, list[tuple[Act, Delivery, dict[str, Any]]]] = defaultdict(list)
    for act in acts(config, None, config.now_ms):
        for delivery in announcer.deliveries(act):
            if len(found[delivery.event]) < 300:
                found[delivery.event].append((act, delivery, json.loads(delivery.body)))
    return found


Sent = dict[str, list[tuple[Act, Delivery, dict[str, Any]]]]


@pytest.mark.parametrize("event", CAPTURES)
def test_bodies_have_the_shape_of_captures(event: str, sent: Sent) -> None:
    assert sent[event]
    for name in CAPTURES[event]:
        captured = json.loads((SAMPLES / f"{name}.json").read_text())
        for _act, _delivery, body in sent[event]:
            ours = {key: value for key, value in body.items() if key != "bulkOperationMetaData"}
            theirs = {key: value for key, value in captured.items() if key in ours or key != "changelog"}
            found = [
                text
                for text in differences(without_custom_fields(ours), theirs)
                if not any(part in text for part in SOMETIMES) and "changelog.items[]" not in text
            ]
            assert not found, f"{name}: {found}"


def test_attachments_have_the_keys_of_the_one_known_body(sent: Sent) -> None:
    """That body was made by hand, and its ``issue`` is missing in a real log: only the attachment counts."""
    sample = json.loads((SAMPLES / "zulip-attachment-created.json").read_text())["attachment"]
    assert sent["attachment_created"]
    assert sent["attachment_deleted"]
    for event in ("attachment_created", "attachment_deleted"):
        for _act, _delivery, body in sent[event]:
            assert set(body) == {"timestamp", "webhookEvent", "attachment"}
            assert not list(differences(body["attachment"], sample))


def test_links_have_the_fields_seen(sent: Sent) -> None:
    fields = {"id", "sourceIssueId", "destinationIssueId", "issueLinkType", "systemLink"}
    for event in ("issuelink_created", "issuelink_deleted"):
        assert sent[event]
        for act, _delivery, body in sent[event]:
            assert set(body) == {"timestamp", "webhookEvent", "issueLink"}
            assert set(body["issueLink"]) == fields
            assert body["issueLink"]["sourceIssueId"] == act.issue.id


def test_a_link_leads_to_the_issue_that_the_changelog_names(sent: Sent) -> None:
    others = set()
    for act, _delivery, body in sent["issuelink_created"]:
        key = next(item[5] for item in act.items if item[0] == "Link")
        other = body["issueLink"]["destinationIssueId"]
        assert other == FIRST_ID + int(str(key).rpartition("-")[2]) - 1, "keys count from the first id, see Site.issue"
        others.add(other - act.issue.id)
    assert len(others) > 10
    assert all(1 <= one <= 50 for one in others)


def test_a_deleted_attachment_is_shown_as_it_was_made(config: SiteConfig) -> None:
    birth = next(birth for birth in special_births(config) if birth.scenario == "many_histories")
    editor = IssueEditor(config, birth, random.Random(1))
    announcer = Announcer(config)
    told = []
    for turn in range(6):
        act = editor.change(birth.at + turn * 60_000, turn + 1, attach(editor.issue, editor.rng, ()))
        told.append((act, [json.loads(one.body) for one in announcer.deliveries(act)][1]))
    names = [body["webhookEvent"].removeprefix("attachment_") for _act, body in told]
    assert names == ["created", "created", "created", "deleted", "created", "deleted"]
    for made, gone in ((2, 3), (4, 5)):
        assert told[gone][1]["attachment"] == told[made][1]["attachment"]
        assert told[gone][1]["attachment"]["author"]["accountId"] != announcer.bodies.people[gone + 1].account_id
        assert told[gone][1]["timestamp"] == told[gone][0].stamp
    assert [family for family, _ in editor.delete_issue(birth.at + 600_000, 1).victims] == ["attachment"] * 2


def test_changelog_items_have_the_keys_of_captures(sent: Sent) -> None:
    allowed = {"field", "fieldId", "fieldtype", "from", "fromString", "to", "toString"}
    items = [item for _, _, body in sent["jira:issue_updated"] for item in body.get("changelog", {}).get("items", [])]
    assert {"WorklogId", "Comment"} <= {item["field"] for item in items}
    assert any("fieldId" not in item for item in items)
    assert any(item["field"] == "Статус" and item["fieldId"] == "status" for item in items)
    for item in items:
        assert allowed - {"fieldId"} <= set(item) <= allowed | {"tmpFromAccountId", "tmpToAccountId"}


def test_nobody_is_named_where_jira_names_nobody(sent: Sent) -> None:
    for event, bodies in sent.items():
        for _act, _delivery, body in bodies:
            assert ("user" in body) == event.startswith("jira:issue_")
            assert ("issue" in body) == event.startswith(("jira:issue_", "comment_"))
            assert b"emailAddress" not in _delivery.body


def test_comment_events_carry_six_fields_of_the_issue(sent: Sent) -> None:
    for _act, _delivery, body in sent["comment_created"]:
        assert set(body["issue"]["fields"]) == {"summary", "issuetype", "project", "assignee", "priority", "status"}
        assert body["eventType"] == "primaryAction"


def test_the_envelope_is_as_late_as_measured(sent: Sent) -> None:
    for _act, _delivery, body in sent["jira:issue_updated"]:
        assert 0 <= body["timestamp"] - ms(body["issue"]["fields"]["updated"]) <= 81
    for _act, _delivery, body in sent["jira:issue_created"]:
        assert 52 <= body["timestamp"] - ms(body["issue"]["fields"]["created"]) <= 356
    for event in ("comment_created", "comment_updated", "worklog_created"):
        family = event.partition("_")[0]
        for act, _delivery, body in sent[event]:
            if not act.kind.endswith("_touched"):
                assert body["timestamp"] == ms(body[family]["updated"])


def test_rest_times_follow_webhook_times_by_some_ms(sent: Sent) -> None:
    offsets = []
    for act, _delivery, body in sent["jira:issue_updated"]:
        if "changelog" in body:
            assert 1 <= act.history_at - ms(body["issue"]["fields"]["updated"]) <= 7
        if act.kind == "worklog_created" and "changelog" in body:
            offsets.append(act.history_at - act.at)
    assert offsets
    assert 14 <= sum(offsets) / len(offsets) <= 20


def test_deletions_cascade_as_secondary(config: SiteConfig, sent: Sent) -> None:
    announcer = Announcer(config)
    dead = next(act for act in acts(config, None, config.now_ms) if len({family for family, _ in act.victims}) > 2)
    flows = [(delivery.event, delivery.flow, delivery.keys) for delivery in announcer.deliveries(dead)]
    assert flows[0] == ("jira:issue_deleted", "Primary", (f"issue:{dead.issue.id}:deleted",))
    assert len(flows) == len(dead.victims) + 1
    assert flows[1:] == [(f"{family}_deleted", "Secondary", ()) for family, _ in dead.victims]
    plain = [one.event for one in Announcer(replace(config, extras=False)).deliveries(dead)]
    assert set(plain) == {"jira:issue_deleted", "comment_deleted", "worklog_deleted"}


def test_bulk_changes_say_so(config: SiteConfig) -> None:
    announcer = Announcer(config)
    bulk = next(act for act in acts(config, None, config.now_ms) if act.bulk)
    first = next(announcer.deliveries(bulk))
    assert first.flow == "Secondary"
    assert "bulkOperationMetaData" in json.loads(first.body)


def test_echoes_are_a_habit_of_the_site(config: SiteConfig) -> None:
    quiet = Announcer(
        SiteConfig(seed=11, people=26, days=12, now_ms=config.now_ms, echoes=False, activity_histories=False)
    )
    comment = next(act for act in acts(config, None, None) if act.kind == "comment_created")
    echo = json.loads(list(Announcer(config).deliveries(comment))[1].body)
    assert echo["issue_event_type_name"] == "issue_commented"
    assert "changelog" not in echo
    assert [delivery.event for delivery in quiet.deliveries(comment)] == ["comment_created"]
