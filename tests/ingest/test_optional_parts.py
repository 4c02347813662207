"""What the fact can do without never spoils it."""

import time

import pytest

from ingest.handler import translate
from ingest.payload import without_deep_parts
from rollcall.errors import NotUnderstoodError
from rollcall.records import decode_activity, encode

from .payloads import (
    RECEIVED,
    STAMP,
    UPDATED_MS,
    Json,
    changed,
    comment,
    encoded,
    issue_event,
    told,
    without,
    worklog,
)


def link(payload: Json) -> tuple[int, str, str]:
    fact = told(payload).facts[0]
    return fact.issue_id, fact.issue_key, fact.project_key


def test_issue_and_project() -> None:
    assert link(comment("comment_created")) == (10001, "ACME-1", "ACME")
    assert link(issue_event("jira:issue_updated")) == (10001, "ACME-1", "ACME")
    assert link(worklog("worklog_created")) == (10001, "", "")


def test_the_project_is_read_off_the_key_when_it_is_not_named() -> None:
    assert link(without(comment("comment_created"), "issue", "fields")) == (10001, "ACME-1", "ACME")
    two = changed(without(comment("comment_created"), "issue", "fields"), "LIMA-1-5", "issue", "key")
    assert link(two) == (10001, "LIMA-1-5", "LIMA-1")
    assert link(changed(two, "NOHYPHEN", "issue", "key")) == (10001, "NOHYPHEN", "")


@pytest.mark.parametrize("bad", [None, 5, "text", [], True])
def test_a_bad_issue_spoils_nothing(bad: object) -> None:
    assert link({**comment("comment_created"), "issue": bad}) == (0, "", "")
    assert link(changed(comment("comment_created"), bad, "issue", "fields"))[0] == 10001


@pytest.mark.parametrize("bad", [None, [], {}, True, "x", -1, "9" * 30, 2**64])
def test_a_bad_issue_id_is_none(bad: object) -> None:
    assert link(changed(comment("comment_created"), bad, "issue", "id")) == (0, "ACME-1", "ACME")
    assert link(worklog("worklog_created", issueId=bad)) == (0, "", "")


@pytest.mark.parametrize("bad", [None, 5, [], "x" * 1025, "x" * 5_000_000])
def test_bad_and_endless_keys_are_none(bad: object) -> None:
    assert link(changed(comment("comment_created"), bad, "issue", "key")) == (10001, "", "ACME")
    payload = changed(comment("comment_created"), bad, "issue", "fields", "project", "key")
    assert link(payload) == (10001, "ACME-1", "ACME")


def test_wrong_types_elsewhere_do_no_harm() -> None:
    payload = {**comment("comment_created", body={"deep": [1]}, updateAuthor=5, updated=[]), "user": 3}
    payload |= {"worklog": "x", "attachment": 7, "changelog": True, "issue_event_type_name": [], "unknown": None}
    assert told(payload).facts[0].event_key == "comment:77:created"


@pytest.mark.parametrize(
    "created", ["1999-01-01T00:00:00.000+0000", "soon", None, 5, {}, "2099-01-01T00:00:00.000+0000"]
)
@pytest.mark.parametrize("payload", [comment("comment_updated", author=5), worklog("worklog_updated", author=5)])
def test_an_odd_creation_does_not_spoil_an_edit(payload: Json, created: object) -> None:
    """Sites that were migrated have such."""
    kind = "comment" if "comment" in payload else "worklog"
    (fact,) = told(changed(payload, created, kind, "created")).facts
    assert (fact.event_key, fact.occurred_at) == (f"{kind}:77:updated:{UPDATED_MS}", UPDATED_MS)


@pytest.mark.parametrize("event", ["comment_deleted", "worklog_deleted"])
def test_a_deletion_needs_no_more_than_the_id_and_the_timestamp(event: str) -> None:
    odd: Json = {"created": "1999", "updated": "soon", "author": 5, "updateAuthor": []}
    made = comment(event, **odd) if event.startswith("comment") else worklog(event, **odd)
    assert told(made).facts[0].occurred_at == STAMP


def test_half_an_emoji_in_a_text_is_no_reason_to_lose_the_act() -> None:
    body = encoded(comment("comment_created", body="cut here: @@")).replace(b"@@", rb"\ud83d").replace(b"@@", b"")
    assert translate("acme", body, "", RECEIVED).facts
    twice = encoded(comment("comment_created", body="@@")).replace(
        b"@@", rb"\udc00 \ud83d\ude00 \ud83d\ud83d\ude00 \\ud800"
    )
    assert translate("acme", twice, "", RECEIVED).facts


ABSURD: dict[str, bytes] = {
    "null": b"null",
    "a list": b"[]",
    "an object": b"{}",
    "empty": b'""',
    "words": b'"soon"',
    "1999": b'"1999-01-01T00:00:00.000+0000"',
    "2099": b'"2099-01-01T00:00:00.000+0000"',
    "negative": b"-1",
    "a fraction": b"1.5",
    "yes": b"true",
    "no number of bits": b"1" + b"0" * 400,
    "no number of a computer": b"1e999",
    "huge": b'"' + b"x" * 100_000 + b'"',
    "half an emoji": rb'"\ud83d"',
    "a key twice": b'{"id": 1, "id": {"accountId": 5}, "key": []}',
    "deep": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
}
ENTITY_PARTS = ["body", "self", "visibility", "jsdPublic", "started", "timeSpent", "unknown"]
ISSUE_PARTS = [("issue", "key"), ("issue", "self"), ("issue", "changelog"), ("issue", "fields", "project")]
ANY_PARTS = [("matchedWebhookIds",), ("attachment",), ("eventType",), ("bulkOperationMetaData",), ("sprint",)]
NOT_NEEDED: dict[str, list[tuple[str, ...]]] = {
    "comment_created": [("comment", part) for part in ("updateAuthor", "updated", *ENTITY_PARTS)]
    + [("timestamp",), ("issue",), ("issue", "id"), ("issue", "fields"), ("user",), ("worklog",), ("changelog",)],
    "comment_updated": [("comment", part) for part in ("author", "created", *ENTITY_PARTS)]
    + [("timestamp",), ("issue",), ("user",), ("worklog",), ("issue_event_type_name",)],
    "comment_deleted": [("comment", part) for part in ("author", "updateAuthor", "created", "updated", *ENTITY_PARTS)]
    + [("issue",), ("user",), ("worklog",), ("changelog",)],
    "worklog_created": [("worklog", part) for part in ("updateAuthor", "updated", "issueId", *ENTITY_PARTS)]
    + [("timestamp",), ("issue",), ("user",), ("comment",), ("isFromIssueLimitTransformation",)],
    "worklog_updated": [("worklog", part) for part in ("author", "created", "issueId", *ENTITY_PARTS)]
    + [("timestamp",), ("issue",), ("user",), ("comment",)],
    "worklog_deleted": [("worklog", part) for part in ("author", "updateAuthor", "created", "updated", "issueId")]
    + [("issue",), ("user",), ("comment",)],
    "jira:issue_created": [("issue", "fields", part) for part in ("updated", "creator", "comment", "description")]
    + [("timestamp",), ("changelog",), ("issue_event_type_name",), ("comment",), ("worklog",), *ISSUE_PARTS],
    "jira:issue_updated": [("issue", "fields", part) for part in ("created", "creator", "reporter", "description")]
    + [("timestamp",), ("issue_event_type_name",), ("comment",), ("worklog",), ("issue", "id"), *ISSUE_PARTS],
    "jira:issue_deleted": [("issue", "fields"), ("changelog",), ("comment",), ("issue_event_type_name",), *ISSUE_PARTS],
}


def whole(event: str) -> Json:
    make = comment if event.startswith("comment") else worklog if event.startswith("worklog") else issue_event
    return make(event)


def with_part(payload: Json, path: tuple[str, ...], value: bytes) -> bytes:
    """Return the body with a part replaced, or added, by what may not even be JSON of Python's."""
    if len(path) > 1:
        payload.setdefault(path[0], {"fields": {}})
    return encoded(changed(payload, "@@", *path)).replace(b'"@@"', value)


@pytest.mark.parametrize("event", NOT_NEEDED)
@pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
def test_no_absurd_part_spoils_a_fact_that_does_not_need_it(event: str, value: bytes) -> None:
    (true,) = told(whole(event)).facts
    for path in [*NOT_NEEDED[event], *ANY_PARTS]:
        got = translate("acme", with_part(whole(event), path, value), "", RECEIVED)
        assert len(got.facts) == 1, path
        (fact,) = got.facts
        assert (fact.event_key, fact.account_id, fact.occurred_at) == (
            true.event_key,
            true.account_id,
            true.occurred_at,
        ), path
        assert (fact.family, fact.action, fact.fields) == (true.family, true.action, true.fields), path
        assert decode_activity(encode(fact)) == fact


DEEP = b"[" * 50_000 + b'"]}"' + b"]" * 50_000


@pytest.mark.parametrize(
    "payload",
    [
        comment("comment_created", body="@@"),
        comment("comment_created", updateAuthor="@@"),
        worklog("worklog_updated", author={"accountId": "@@"}),
        {**issue_event("jira:issue_created"), "unknown": "@@"},
        issue_event("jira:issue_updated", issue={"id": "10001", "key": "ACME-1", "fields": {"a": "@@"}}),
        issue_event("jira:issue_updated", changelog={"id": "900", "items": [{"fieldId": "status", "from": "@@"}]}),
        issue_event("jira:issue_deleted", changelog="@@"),
    ],
    ids=lambda payload: payload["webhookEvent"],
)
def test_a_part_nested_deeper_than_a_decoder_goes_spoils_nothing(payload: Json) -> None:
    shallow, body = encoded(payload).replace(b'"@@"', b"null"), encoded(payload).replace(b'"@@"', DEEP)
    assert translate("acme", body, "", RECEIVED) == translate("acme", shallow, "", RECEIVED)
    assert translate("acme", body, "", RECEIVED).facts


def test_what_lies_deep_is_left_out_and_nothing_else() -> None:
    def nested(depth: int, inner: str) -> str:
        return "[" * depth + inner + "]" * depth

    kept = nested(63, '{"a\\"]": 1}, "}"')
    assert without_deep_parts(f'{{"a": {kept[1:-1]}}}'.encode()) == f'{{"a": {kept[1:-1]}}}'.encode()
    deep = '[1, {"b": ["]"]}, "é"]'
    assert without_deep_parts(nested(64, f'1, {deep}, "\\\\", {{}}, 2').encode()) == (
        nested(64, '1, null, "\\\\", null, 2').encode()
    )
    assert without_deep_parts(b'{"cut": "[[') == b'{"cut": "[['


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\udc00"])
def test_half_an_emoji_in_a_key_or_id_is_no_key_and_no_id(half: bytes) -> None:
    """Another character in its place would be another project's key, or another person's id."""
    body = encoded(comment("comment_created")).replace(b'"ACME"', b'"' + half + b'"')
    (fact,) = translate("acme", body, "", RECEIVED).facts
    assert (fact.issue_key, fact.project_key) == ("ACME-1", "ACME")
    (fact,) = translate("acme", body.replace(b'"ACME-1"', b'"A' + half + b'-1"'), "", RECEIVED).facts
    assert (fact.issue_id, fact.issue_key, fact.project_key) == (10001, "", "")
    with pytest.raises(NotUnderstoodError) as caught:
        translate(
            "acme", encoded(comment("comment_created", author={"accountId": "@"})).replace(b"@", half), "", RECEIVED
        )
    assert caught.value.reason == "bad_actor"


def test_a_changelog_of_endless_fields_stays_a_small_record() -> None:
    items = [{"fieldId": f"customfield_{number}"} for number in range(5000)]
    fact = told(issue_event("jira:issue_updated", changelog={"id": 900, "items": items})).facts[0]
    assert len(fact.fields) == 1000


def test_nothing_that_anybody_wrote_is_in_the_record() -> None:
    for payload in (comment("comment_created"), worklog("worklog_updated"), issue_event("jira:issue_updated")):
        record = encode(told(payload).facts[0])
        assert b"secret" not in record
        assert decode_activity(record) == told(payload).facts[0]


def test_a_text_of_many_quotation_marks_that_does_not_end_is_looked_at_once() -> None:
    """Or each of its marks would begin another text, up to the end of the body."""
    body = b"[" * 2_000 + b'"' + rb"\"" * 30_000 + b"\\"
    began = time.process_time()
    assert without_deep_parts(body).startswith(b"[" * 64 + b"null")
    assert time.process_time() - began < 5
