"""What every sample body must come to: its fact, or why it makes none."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples" / "webhooks"

PERSON_1 = "38abae04cba00394e230aa5d"
PERSON_3 = "6243a20f96620d38997b6260"
PERSON_15 = "2952ea7ca6130c3f5e94e053"
PERSON_2026 = "99:cea0eba7-fd9a-4638-a2d7-ad17e33eab3c"
NOBODY = ""


@dataclass(frozen=True)
class Fact:
    """One fact is expected."""

    event_key: str
    occurred_at: int
    account_id: str
    account_type: str
    issue_id: int
    issue_key: str
    project_key: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class NoFact:
    """No fact is expected, for this outcome."""

    outcome: str


@dataclass(frozen=True)
class Letter:
    """A dead letter is expected, for this reason."""

    reason: str


Expected = Fact | NoFact | Letter


def fact(event_key: str, at: str, account_id: str, account_type: str, issue: str, *fields: str) -> Fact:
    """Write a fact briefly: time in UTC, issue as id and key."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    issue_id, _, key = issue.partition(" ")
    project_key = key.rpartition("-")[0]
    occurred_at = round(moment.timestamp() * 1000)
    return Fact(event_key, occurred_at, account_id, account_type, int(issue_id), key, project_key, fields)


CLOUD: dict[str, Expected] = {
    "mattermost-comment-created-mention-user": fact(
        "comment:10019:created", "2019-02-16T03:11:18.321", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-comment-created": fact(
        "comment:10019:created", "2019-02-16T03:11:18.321", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-comment-deleted": fact("comment:10757:deleted", "2019-10-08T05:42:25.538", NOBODY, "", "10357 BRAVO-7"),
    "mattermost-comment-updated": fact(
        "comment:10019:updated:1550286728432", "2019-02-16T03:12:08.432", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-issue-assigned-empty-changelog": fact(
        "history:10500", "2024-08-20T18:47:42.935", "210689", "atlassian", "10001 CHARL-123"
    ),
    "mattermost-issue-created-many-fields": fact(
        "issue:10509:created", "2019-08-27T19:43:24.193", PERSON_3, "atlassian", "10509 BRAVO-22"
    ),
    "mattermost-issue-created-no-description-nor-relevant-fields": fact(
        "issue:10040:created", "2019-02-16T03:01:52.971", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-issue-created-no-description": fact(
        "issue:10040:created", "2019-02-16T03:01:52.971", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-issue-created-no-relevant-fields": fact(
        "issue:10040:created", "2019-02-16T03:01:52.971", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-issue-created-with-security-level": fact(
        "issue:10040:created", "2019-02-16T03:01:52.971", PERSON_1, "", "10040 ALPHA-41"
    ),
    "mattermost-issue-created": fact("issue:10040:created", "2019-02-16T03:01:52.971", PERSON_1, "", "10040 ALPHA-41"),
    "mattermost-issue-deleted": fact(
        "issue:10303:deleted", "2019-07-03T18:05:36.176", PERSON_1, "atlassian", "10303 DELTA-19"
    ),
    "mattermost-issue-updated-assigned-nobody": fact(
        "history:10231", "2019-02-16T21:10:32.523", PERSON_1, "", "10040 ALPHA-41", "assignee"
    ),
    "mattermost-issue-updated-assigned": fact(
        "history:10230", "2019-02-16T03:18:01.707", PERSON_1, "", "10040 ALPHA-41", "assignee"
    ),
    "mattermost-issue-updated-attachments": fact(
        "history:10233", "2019-02-16T21:12:10.037", PERSON_1, "", "10040 ALPHA-41", "attachment"
    ),
    "mattermost-issue-updated-components": fact(
        "history:12849", "2019-12-05T14:38:23.829", PERSON_3, "atlassian", "10360 ALPHA-10", "components"
    ),
    "mattermost-issue-updated-custom-field": fact(
        "history:11479", "2019-08-12T01:49:13.412", PERSON_3, "atlassian", "10368 ALPHA-14", "customfield_10072"
    ),
    "mattermost-issue-updated-edited": fact(
        "history:10225", "2019-02-16T03:10:01.805", PERSON_1, "", "10040 ALPHA-41", "description"
    ),
    "mattermost-issue-updated-fix-version": fact(
        "history:11151", "2019-02-16T03:07:51.756", PERSON_1, "", "10040 ALPHA-41", "fixversions"
    ),
    "mattermost-issue-updated-issue-type": fact(
        "history:11149", "2019-02-16T03:07:51.756", PERSON_1, "", "10040 ALPHA-41", "issuetype"
    ),
    "mattermost-issue-updated-labels": fact(
        "history:10233", "2019-02-16T21:12:10.037", PERSON_1, "", "10040 ALPHA-41", "labels"
    ),
    "mattermost-issue-updated-lowered-priority": fact(
        "history:10234", "2019-02-16T21:13:52.522", PERSON_1, "", "10040 ALPHA-41", "priority"
    ),
    "mattermost-issue-updated-multiple-custom-fields": fact(
        "history:10233",
        "2019-02-16T21:12:10.037",
        PERSON_1,
        "",
        "10040 ALPHA-41",
        "customfield_10001",
        "customfield_10002",
    ),
    "mattermost-issue-updated-multiple-values": fact(
        "history:11151",
        "2019-02-16T03:07:51.756",
        PERSON_1,
        "",
        "10040 ALPHA-41",
        "fixversions",
        "assignee",
        "customfield_10072",
    ),
    "mattermost-issue-updated-raised-priority": fact(
        "history:10235", "2019-02-16T21:15:16.037", PERSON_1, "", "10040 ALPHA-41", "priority"
    ),
    "mattermost-issue-updated-rank": fact(
        "history:10233", "2019-02-16T21:12:10.037", PERSON_1, "", "10040 ALPHA-41", "rank"
    ),
    "mattermost-issue-updated-renamed": fact(
        "history:10224", "2019-02-16T03:07:51.756", PERSON_1, "", "10040 ALPHA-41", "summary"
    ),
    "mattermost-issue-updated-reopened-one-changelog": fact(
        "history:10229", "2019-02-16T03:17:06.501", PERSON_1, "", "10040 ALPHA-41", "resolution"
    ),
    "mattermost-issue-updated-reopened": fact(
        "history:10229", "2019-02-16T03:17:06.501", PERSON_1, "", "10040 ALPHA-41", "resolution", "status"
    ),
    "mattermost-issue-updated-resolved-one-changelog": fact(
        "history:10228", "2019-02-16T03:15:40.477", PERSON_1, "", "10040 ALPHA-41", "resolution"
    ),
    "mattermost-issue-updated-resolved": fact(
        "history:10228", "2019-02-16T03:15:40.477", PERSON_1, "", "10040 ALPHA-41", "resolution", "status"
    ),
    "mattermost-issue-updated-sprint": fact(
        "history:10233", "2019-02-16T21:12:10.037", PERSON_1, "", "10040 ALPHA-41", "sprint"
    ),
    "mattermost-issue-updated-started-working": fact(
        "history:10227", "2019-02-16T03:14:22.002", PERSON_1, "", "10040 ALPHA-41", "status"
    ),
    "mattermost-older-comment-deleted": fact(
        "comment:10019:deleted", "2019-02-16T03:12:39.394", NOBODY, "", "10040 ALPHA-41"
    ),
    "zulip-attachment-created": NoFact("ignored"),
    "zulip-comment-created": fact(
        "comment:10000:created", "2019-08-16T14:00:17.153", PERSON_15, "atlassian", "10000 INDIA-1"
    ),
    "zulip-comment-deleted": fact("comment:10000:deleted", "2019-08-16T14:02:24.825", NOBODY, "", "10000 INDIA-1"),
    "zulip-comment-updated": fact(
        "comment:10000:updated:1565964103489", "2019-08-16T14:01:43.489", PERSON_15, "atlassian", "10000 INDIA-1"
    ),
    "zulip-worklog-created": fact(
        "worklog:10066:created", "2026-09-22T18:48:35.652", PERSON_2026, "atlassian", "10014"
    ),
    "zulip-worklog-deleted": fact("worklog:10033:deleted", "2026-09-21T15:41:41.877", NOBODY, "", "10014"),
    "zulip-worklog-updated": fact(
        "worklog:10066:updated:1790102953744", "2026-09-22T18:49:13.744", PERSON_2026, "atlassian", "10014"
    ),
}
DATA_CENTER: dict[str, Expected] = {
    "mattermost-comment-created": Letter("data_center"),
    "mattermost-comment-deleted": Letter("data_center"),
    "mattermost-comment-updated": Letter("data_center"),
    "mattermost-issue-updated-closed": Letter("data_center"),
    "mattermost-issue-updated-comment-deleted": Letter("data_center"),
    "mattermost-issue-updated-comment-edited": Letter("data_center"),
    "mattermost-issue-updated-commented-2": Letter("data_center"),
    "mattermost-issue-updated-in-progress": Letter("data_center"),
    "mattermost-issue-updated-many-fields": Letter("data_center"),
    "mattermost-issue-updated-reopened": Letter("data_center"),
    "mattermost-issue-updated-resolved": Letter("data_center"),
    "mattermost-old-issue-updated-no-event-type-commented": Letter("data_center"),
    "zulip-change-status-v1": Letter("data_center"),
    "zulip-comment-created-no-issue-details": Letter("data_center"),
    "zulip-created-v1": Letter("data_center"),
    "zulip-created-with-unicode-v2": Letter("data_center"),
    "zulip-deleted-v2": Letter("data_center"),
    "zulip-example-anomalous-payload": Letter("no_event"),
    "zulip-unknown-v2": Letter("data_center"),
    "zulip-updated-priority-v2": Letter("data_center"),
    "zulip-worklog-updated-deleted": Letter("data_center"),
    "zulip-worklog-updated-edited": Letter("data_center"),
}
