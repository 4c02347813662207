"""Posts that would be lost without a word: wrong paths, refusals, and what is told of them, also when they are many."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from ingest.endpoint import _last_of
from ingest.refusals import MEANINGS
from rollcall.errors import LogUnavailableError
from rollcall.metrics import WEBHOOK_LAST
from rollcall.settings import Settings

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import Served, head, read_answer, served, signature

BODY = encoded(comment("comment_created"))


def refused(reason: str, site: str = "") -> float:
    labels = {"site": site, "event": "other", "outcome": reason}
    return REGISTRY.get_sample_value("rollcall_webhooks_total", labels) or 0


def last_refused(reason: str, site: str = "") -> float:
    labels = {"site": site, "reason": reason}
    return REGISTRY.get_sample_value("rollcall_webhook_refused_last_timestamp_seconds", labels) or 0


def last_webhook(site: str) -> float | None:
    return REGISTRY.get_sample_value("rollcall_webhook_last_timestamp_seconds", {"site": site})


def status_of(server: Served, path: str, body: bytes = BODY) -> bytes:
    """Post to a path as it is written here: clients tidy it up."""
    with server.connect() as connection:
        request = head(len(body), signature(body)).replace(b"POST /webhooks/acme ", f"POST {path} ".encode(), 1)
        connection.sendall(request + body)
        return read_answer(connection).split()[1]


@pytest.mark.parametrize(
    "path", ["/acme", "/acme/", "/webhook/acme", "/jira/webhooks/acme", "/webhooksacme", "/", "//"]
)
def test_a_post_beside_the_webhook_path_is_counted_and_logged(server: Served, memory: MemoryLog, path: str) -> None:
    before = refused("unknown_path")
    with capture_logs() as lines:
        assert status_of(server, path) == b"404"
    assert refused("unknown_path") == before + 1
    assert time.time() - last_refused("unknown_path") < 60
    assert [(line["event"], line["reason"], line["site"]) for line in lines] == [
        ("webhook refused", "unknown_path", "")
    ]
    assert "the proxy cuts or changes the path" in lines[0]["remedy"]
    named = path.rstrip("/").endswith("/acme")
    assert lines[0].get("detail", "") == ("the path ends in acme, but does not begin with /webhooks/" if named else "")
    assert not memory.records


def test_a_strangers_path_is_no_text_of_the_log(server: Served) -> None:
    with capture_logs() as lines:
        assert status_of(server, "/evil/script") == b"404"
    assert "evil" not in str(lines)
    assert "evil" not in server.client.get("/metrics").text


def test_what_is_no_post_is_no_lost_webhook(server: Served) -> None:
    before = refused("unknown_path")
    for path in ("/acme", "/nothing"):
        assert server.client.get(path).status_code == 404
    assert server.client.post("/healthz").status_code == 405
    assert refused("unknown_path") == before


@pytest.mark.parametrize("path", ["//webhooks/acme", "/webhooks//acme", "///webhooks///acme/"])
def test_doubled_slashes_make_no_difference(server: Served, memory: MemoryLog, path: str) -> None:
    assert status_of(server, path) == b"204"
    assert [(fact.site, fact.event_key) for fact in memory.facts] == [("acme", "comment:77:created")]


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [(None, "no_signature"), ("sha256=", "bad_signature"), (signature(BODY, "wrong"), "wrong_signature")],
)
def test_a_refusal_says_what_to_do(server: Served, claimed: str | None, reason: str) -> None:
    before = refused(reason, "acme")
    headers = {"x-hub-signature": claimed} if claimed is not None else {}
    with capture_logs() as lines:
        assert server.client.post("/webhooks/acme", content=BODY, headers=headers).status_code == 401
    assert (lines[0]["reason"], lines[0]["remedy"]) == (reason, MEANINGS[reason].remedy)
    assert refused(reason, "acme") == before + 1
    assert time.time() - last_refused(reason, "acme") < 60


async def opened(_: Settings) -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def fresh() -> Iterator[Served]:
    """A server of its own, whose metrics of the last webhook begin anew."""
    WEBHOOK_LAST.clear()
    _last_of.cache_clear()
    with served(opened) as running:
        yield running


def test_every_site_has_its_series_from_the_start(fresh: Served) -> None:
    assert (last_webhook("acme"), last_webhook("lax")) == (0, 0)
    text = fresh.client.get("/metrics").text
    for series in (
        'site="acme",outcome="wrong_signature"',
        'site="lax",outcome="no_signature"',
        'site="",outcome="unknown_path"',
    ):
        site, outcome = series.split(",")
        assert f'rollcall_webhooks_total{{event="other",{outcome},{site}}}' in text


def test_an_empty_body_is_no_sign_of_life(fresh: Served) -> None:
    assert fresh.post(b"").status_code == 204
    assert last_webhook("acme") == 0
    assert fresh.post(BODY).status_code == 204
    assert time.time() - (last_webhook("acme") or 0) < 60
    assert last_webhook("lax") == 0


def test_many_refusals_are_a_few_lines_and_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollcall.logs._MINUTE", 2.0)
    with served(opened) as server, capture_logs() as lines:
        for _ in range(35):
            server.post(BODY, x_hub_signature=signature(BODY, "wrong"))
        server.post(BODY, site="nobody")
        deadline = time.monotonic() + 20
        while not any("more" in line for line in lines):
            assert time.monotonic() < deadline, "nothing was summed up"
            time.sleep(0.02)
        server.post(BODY, x_hub_signature=signature(BODY, "wrong"))
    told = [(line["reason"], line.get("more")) for line in lines]
    assert told[:10] == [("wrong_signature", None)] * 10
    assert told[10:] == [("unknown_site", None), ("wrong_signature", 25), ("wrong_signature", None)]
    assert lines[11]["event"] == "webhook refused, and more of the same"


@pytest.mark.parametrize("announced", ["content-length: 1000000", "transfer-encoding: chunked"])
@pytest.mark.parametrize("target", ["/webhooks/acme", "/webhooks/nobody", "/acme"])
def test_an_unread_body_closes_the_connection(server: Served, target: str, announced: str) -> None:
    with server.connect() as connection:
        connection.sendall(f"POST {target} HTTP/1.1\r\nhost: x\r\n{announced}\r\n\r\n".encode())
        answer = read_answer(connection)
        assert answer.split()[1] in (b"401", b"404")
        assert b"connection: close" in answer
        assert drained(connection) < 10


def drained(connection: socket.socket) -> float:
    """Read until the other side closes; return the seconds that took."""
    began = time.monotonic()
    while connection.recv(65536):
        pass
    return time.monotonic() - began


def test_an_endless_body_is_not_read_for_ever(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /acme HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000000\r\n\r\n")
        began = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 20:
                connection.sendall(b"x" * 65536)
    assert time.monotonic() - began < 20, "it was read on and on"


def test_a_refusal_of_a_body_that_was_read_keeps_the_connection(server: Served, memory: MemoryLog) -> None:
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(head(len(BODY), signature(BODY, "wrong")) + BODY)
            answer = b""
            while b'{"error": "wrong_signature"}' not in answer:
                answer += connection.recv(65536)
            assert b"connection: close" not in answer
        connection.sendall(head(len(BODY), signature(BODY)) + BODY)
        assert read_answer(connection).startswith(b"HTTP/1.1 204 ")


def letters(server: Served) -> list[Any]:
    log: Any = server.log
    return [letter.payload for letter in log.letters]


def test_the_same_dead_letter_is_put_on_the_log_once(fresh: Served) -> None:
    for _ in range(10):
        assert fresh.post(b"no JSON").status_code == 204
    assert fresh.post(b"nor this").status_code == 204
    assert fresh.post(b"no JSON", site="lax").status_code == 204
    assert letters(fresh) == [b"no JSON", b"nor this", b"no JSON"]


def test_a_dead_letter_that_the_log_did_not_take_is_put_there_next_time(fresh: Served) -> None:
    log: Any = fresh.log
    log.fault = LogUnavailableError("disk full")
    assert fresh.post(b"no JSON").status_code == 503
    log.fault = None
    assert fresh.post(b"no JSON").status_code == 204
    assert letters(fresh) == [b"no JSON"]


def test_a_dead_letter_that_comes_again_later_is_put_there_again(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.handler.RECENT_SECONDS", 0.0)
    for _ in range(2):
        fresh.post(b"no JSON")
    assert letters(fresh) == [b"no JSON"] * 2
