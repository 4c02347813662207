"""Dead letters of webhooks."""

import hashlib

from ingest.handler import webhook_dead_letter
from rollcall.errors import NotUnderstoodError
from rollcall.records import decode_dead_letter, encode

ERROR = NotUnderstoodError("not_json", "The body is not JSON in UTF-8.")
HEADERS = {
    "X-Atlassian-Webhook-Flow": "Primary",
    "x-atlassian-webhook-identifier": "an-id" + "x" * 1000,
    "X-Atlassian-Webhook-Retry": "2",
    "X-Hub-Signature": "sha256=00",
    "Authorization": "secret",
    "Cookie": "secret",
}


def test_a_letter_keeps_body_reason_and_the_headers_that_matter() -> None:
    got = webhook_dead_letter("acme", b"\x00{\xff", HEADERS, ERROR, 1_700_000_000_000)
    assert (got.site, got.origin, got.reason, got.detail) == ("acme", "webhook", "not_json", ERROR.detail)
    assert got.payload == b"\x00{\xff"
    assert got.received_at == 1_700_000_000_000
    assert got.settled == got.position == ""
    assert got.headers == {
        "x-atlassian-webhook-flow": "Primary",
        "x-atlassian-webhook-identifier": ("an-id" + "x" * 1000)[:256],
        "x-atlassian-webhook-retry": "2",
    }
    assert decode_dead_letter(encode(got)) == got


def test_the_same_body_of_the_same_site_is_the_same_letter() -> None:
    first = webhook_dead_letter("acme", b"body", HEADERS, ERROR, 1)
    assert first.letter_id == hashlib.sha256(b"acme\0webhook\0body").hexdigest()[:32]
    assert webhook_dead_letter("acme", b"body", {}, NotUnderstoodError("x", "y"), 2).letter_id == first.letter_id
    assert webhook_dead_letter("other", b"body", HEADERS, ERROR, 1).letter_id != first.letter_id
    assert webhook_dead_letter("acme", b"body2", HEADERS, ERROR, 1).letter_id != first.letter_id
