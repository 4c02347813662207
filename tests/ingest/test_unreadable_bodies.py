"""Bodies that are no JSON objects."""

import pytest

from ingest.handler import translate
from rollcall.errors import NotUnderstoodError

from .payloads import RECEIVED, comment, encoded

WHOLE = encoded(comment("comment_created", body="tête-à-tête"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b" ", "not_json"),
        (b"{", "not_json"),
        (b"nonsense", "not_json"),
        (WHOLE[:-1], "not_json"),
        (WHOLE + b"}", "not_json"),
        (b"\xef\xbb\xbf" + WHOLE, "not_json"),
        (WHOLE.decode().encode("utf-16"), "not_json"),
        (WHOLE.decode().encode("utf-32-le"), "not_json"),
        ('{"webhookEvent": "été"}'.encode("latin-1"), "not_json"),
        (b'{"webhookEvent": "x", "user": NaN}', "not_json"),
        (b'{"webhookEvent": "a\x01b"}', "not_json"),
        (rb'{"webhookEvent": "x", "user": "\uZZZZ"}', "not_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"7", "not_an_object"),
        (b'{"user":' * 100_000, "not_json"),
        (b'{"user":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no_event"),
        (b'{"other":' * 100_000 + b"1" + b"}" * 100_000, "no_event"),
        (b'{"other":' + b"[" * 2_000_001 + b"]" * 2_000_001 + b"}", "too_deep"),
        (b'{"other":' + b"[" * 3_000 + b'""' * 2_000_000, "too_deep"),
    ],
)
def test_it_is_not_understood(body: bytes, reason: str) -> None:
    with pytest.raises(NotUnderstoodError) as caught:
        translate("acme", body, "", RECEIVED)
    assert caught.value.reason == reason


def test_nesting_near_the_limit_is_no_crash() -> None:
    """Wherever the interpreter's limit strikes, it is a dead letter."""
    for depth in range(100, 1200, 13):
        body = b'{"webhookEvent":"comment_created","comment":{"author":' + b"[" * depth + b"]" * depth + b"}}"
        with pytest.raises(NotUnderstoodError):
            translate("acme", body, "", RECEIVED)


def test_a_repeated_key_counts_the_last_time() -> None:
    body = WHOLE[:-1] + b', "webhookEvent": "user_created"}'
    assert translate("acme", body, "", RECEIVED).outcome == "ignored"
