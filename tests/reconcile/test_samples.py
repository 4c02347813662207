"""Captured and documented answers go through the decoders."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from reconcile.backfill.changelogs import history_facts
from reconcile.backfill.context import WindowFacts, creation, entity_facts
from reconcile.client.endpoints import MYSELF
from reconcile.client.jira_errors import decoded, jira_message
from reconcile.client.paging import decoded_elements
from reconcile.client.retry import retry_after
from reconcile.directory.grants import all_users
from reconcile.responses import (
    EMBEDDED,
    ENTITY,
    HISTORIES,
    HISTORY,
    PERSON,
    ApplicationRole,
    ChangelogPage,
    Comments,
    GroupPage,
    MemberPage,
    NamedProject,
    SearchPage,
    WorklogFeed,
)
from reconcile.state.window import Window
from rollcall.facts import read_issue
from rollcall.jira.values import EARLIEST_MS, LATEST_MS, IssueRef, parse_jira_time

from .scripted import Script, page, scripted

SAMPLES = Path(__file__).parent / "samples"
MAKER = WindowFacts("acme", Window(EARLIEST_MS, LATEST_MS), 1_795_000_000_000)
HERE = IssueRef(1, "ACME-1", "ACME")


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def elements(name: str) -> list[msgspec.Raw]:
    return msgspec.json.decode(sample(name), type=list[msgspec.Raw])


def never(*_: object) -> None:
    raise AssertionError("an element could not be read")


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("dichovsky-GET-applicationrole.json", list[ApplicationRole], lambda page: len(page)),
        ("dichovsky-GET-group-bulk.json", GroupPage, lambda page: page.size),
        ("dichovsky-GET-group-member.json", MemberPage, lambda page: page.size),
        ("dichovsky-GET-issue-issueIdOrKey-comment.json", Comments, lambda page: len(page.comments)),
        ("dichovsky-GET-worklog-updated.json", WorklogFeed, lambda page: len(page.values)),
        ("dichovsky-GET-worklog-deleted.json", WorklogFeed, lambda page: len(page.values)),
        ("dichovsky-POST-changelog-bulkfetch.json", ChangelogPage, lambda page: len(page.issue_change_logs)),
        ("dichovsky-POST-search-jql.json", SearchPage, lambda page: len(page.issues)),
        ("devlake-projects.json", list[NamedProject], lambda page: len(page)),
    ],
)
def test_documented_answers_decode(name: str, shape: Any, count: Any) -> None:
    assert count(decoded(shape, MYSELF, sample(name))) > 0


def test_captured_changelogs_become_one_fact_each_at_their_own_time() -> None:
    name = "devlake-issue-changelogs.json"
    for raw, origin in zip(elements(name), json.loads(sample(name)), strict=True):
        told = history_facts(MAKER, HISTORY.decode(raw), HERE)
        first = told.facts[0]
        assert first.event_key == f"history:{origin['id']}"
        assert first.occurred_at == parse_jira_time(origin["created"])
        # Some captured authors have no account id but a link that holds one: links are never read.
        assert first.account_id == origin["author"]["accountId"]
        assert set(first.fields) == {(item.get("fieldId") or item["field"]).lower() for item in origin["items"]}


def test_edge_cases_of_changelogs_do_no_harm() -> None:
    histories = list(decoded_elements(HISTORY, elements("devlake-issue-changelogs-edge-cases.json"), never))
    assert [history_facts(MAKER, history, HERE).facts[0].family for history in histories] == ["history"] * 4


def test_documented_bulk_changelogs_with_epoch_seconds() -> None:
    page = decoded(ChangelogPage, MYSELF, sample("dichovsky-POST-changelog-bulkfetch.json"))
    issues = decoded_elements(HISTORIES, page.issue_change_logs, never)
    raw = [history for issue in issues for history in issue.change_histories]
    facts = [
        fact for history in decoded_elements(HISTORY, raw, never) for fact in history_facts(MAKER, history, HERE).facts
    ]
    assert facts[0].event_key == "history:10001"
    assert facts[0].occurred_at == 1_492_070_429_000


def test_captured_worklogs_are_counted_when_they_were_logged() -> None:
    name = "devlake-worklogs.json"
    for raw, origin in zip(elements(name), json.loads(sample(name)), strict=True):
        facts = entity_facts(MAKER, "worklog", ENTITY.decode(raw), HERE, never)
        assert facts[0].event_key == f"worklog:{origin['id']}:created"
        assert facts[0].occurred_at == parse_jira_time(origin["created"])
        assert facts[0].account_id == origin["author"]["accountId"]
        assert len(facts) == 1 + (origin["updated"] != origin["created"])


def test_captured_issues_and_their_comments() -> None:
    name = "devlake-issues-cut.json"
    for raw, origin in zip(elements(name), json.loads(sample(name)), strict=True):
        issue = read_issue(raw)
        place = issue.ref()
        assert (str(place.issue_id), place.issue_key) == (origin["id"], origin["key"])
        fact = creation(MAKER, issue, place)
        assert fact
        assert fact.occurred_at == parse_jira_time(origin["fields"]["created"])
        comments = EMBEDDED.decode(issue.fields.comment)
        assert comments.total == origin["fields"]["comment"]["total"]
        for comment in decoded_elements(ENTITY, comments.comments, never):
            assert entity_facts(MAKER, "comment", comment, place, never)[0].action == "created"


def test_captured_users_keep_their_types() -> None:
    people = list(decoded_elements(PERSON, elements("devlake-users.json"), never))
    assert {person.known_type for person in people} >= {"atlassian", "app"}
    assert all(person.known_id for person in people)


@pytest.mark.anyio
async def test_documented_users() -> None:
    users = json.loads(sample("dichovsky-GET-users-search.json"))
    script = Script([page(users), page([])])
    async with scripted(script) as jira:
        found = [person async for people in all_users(jira, never, never) for person in people]
    assert [person.known_id for person in found] == [user["accountId"] for user in users]
    # Beyond an empty page it is looked once more: rows that may not be seen make pages empty.
    starts = [len(users), len(users) + 1000]
    assert [request.url.params["startAt"] for request in script.asked] == ["0", *map(str, starts)]


@pytest.mark.anyio
async def test_a_user_whose_account_id_is_longer_than_any_is_unreadable_and_the_placeholder_nobody() -> None:
    users = [{"accountId": "x" * 129}, {"accountId": "unknown"}, {"accountId": "x" * 128}, {"displayName": "none"}]
    unreadable: list[int] = []
    async with scripted(Script([page(users), page([])])) as jira:
        found = [person async for people in all_users(jira, lambda: unreadable.append(1), never) for person in people]
    assert [person.known_id for person in found] == ["x" * 128]
    assert len(unreadable) == 2  # and who has no account id at all


@pytest.mark.parametrize(
    ("name", "seconds", "reason"),
    [
        ("atlassian-docs-cloud-burst.http", 1.0, "jira-burst-based"),
        ("atlassian-docs-cloud-quota.http", 1847.0, "jira-quota-global-based"),
        ("org-jira-data-center-2024.http", 0.0, "http-429"),
    ],
)
def test_captured_refusals(name: str, seconds: float, reason: str) -> None:
    head = sample(name).decode().partition("\n\n")[0].splitlines()[1:]
    headers = httpx.Headers([(line.partition(":")[0], line.partition(":")[2].strip()) for line in head if ":" in line])
    assert retry_after(429, headers) == (seconds, reason)


def test_captured_bodies_of_refusals_give_words_or_none() -> None:
    assert jira_message(sample("devlake-cloud-2022-body.html")) == ""
    assert jira_message(sample("raycast-cloud-2026-body.json")) != ""
