"""Slow bodies, full memory, senders that go away, endless heads."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import REGISTRY

from ingest.body import SMALL, BodyBudget
from rollcall.settings import Settings

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import Served, head, read_answer, served, signature

BODY = encoded(comment("comment_created"))


def eventually(true: Callable[[], bool]) -> None:
    """Wait for something that another thread does; its never happening is the failure."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def bytes_held() -> float | None:
    return REGISTRY.get_sample_value("rollcall_webhook_bodies_bytes")


async def opened(_: Settings) -> MemoryLog:
    return MemoryLog()


def test_a_slow_body_is_answered_408_and_the_connection_closed() -> None:
    with served(opened, body_timeout=0.1) as server, server.connect() as connection:
        connection.sendall(head(len(BODY), signature(BODY)) + BODY[:-1])
        answer = read_answer(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer
        assert connection.recv(1000) in (b"", b'{"error": "too_slow"}')
        assert not server.log.records  # type: ignore[attr-defined]  # a test's own log
        eventually(lambda: bytes_held() == 0)


def test_a_body_that_never_begins_is_slow_too() -> None:
    with served(opened, body_timeout=0.1) as server, server.connect() as connection:
        connection.sendall(head(len(BODY), signature(BODY)))
        assert read_answer(connection).startswith(b"HTTP/1.1 408 ")


def test_bodies_beyond_the_memory_for_them_are_answered_503() -> None:
    body = encoded(comment("comment_created", body="x" * 2000))
    with served(opened, bodies_in_memory=len(body) + 100, retry_after=7) as server, server.connect() as connection:
        connection.sendall(head(len(body), signature(body)) + body[:500])
        eventually(lambda: bytes_held() == 500)
        refused = server.post(body)
        assert (refused.status_code, refused.json()) == (503, {"error": "memory_full"})
        assert refused.headers["retry-after"] == "7"
        connection.sendall(body[500:])
        assert read_answer(connection).startswith(b"HTTP/1.1 204 ")
        assert server.post(body).status_code == 204


@pytest.mark.parametrize("pieces", [1, 2], ids=["announced", "chunked"])
def test_the_limits_themselves_are_within_them(pieces: int) -> None:
    """A body of exactly `body_limit` bytes is taken, though it takes all the memory there is; one more is too many."""

    def sent(body: bytes) -> bytes | Iterator[bytes]:
        return body if pieces == 1 else iter([body[:500], body[500:]])

    largest = encoded(comment("comment_created", body="x" * 2000))
    with served(opened, body_limit=len(largest), bodies_in_memory=len(largest)) as server:
        for body, status in ((largest, 204), (largest + b" ", 413), (largest, 204)):
            headers = {"x-hub-signature": signature(body)}
            assert server.client.post("/webhooks/acme", content=sent(body), headers=headers).status_code == status


def test_a_sender_that_goes_away_leaves_nothing() -> None:
    labels = {"site": "acme", "event": "other", "outcome": "disconnected"}
    before = REGISTRY.get_sample_value("rollcall_webhooks_total", labels) or 0
    memory = MemoryLog()

    async def kept(_: Settings) -> MemoryLog:
        return memory

    with served(kept) as server:
        with server.connect() as connection:
            connection.sendall(head(len(BODY), signature(BODY)) + BODY[:500])
            eventually(lambda: bytes_held() == 500)
        eventually(lambda: REGISTRY.get_sample_value("rollcall_webhooks_total", labels) == before + 1)
        assert bytes_held() == 0
    assert not memory.records


def test_an_endless_head_is_cut_off(server: Served) -> None:
    with server.connect() as connection, pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012 - either may fail
        connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\n")
        for _ in range(10_000):
            connection.sendall(b"x-endless: " + b"x" * 10_000 + b"\r\n")


def test_a_head_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollcall.http.server.HEAD_SECONDS", 0.05)
    with served(opened) as server:
        for sent in (b"", b"POST /webhooks/acme HTTP/1.1\r\nhost: x\r\n"):
            with server.connect() as connection:
                connection.sendall(sent)
                assert connection.recv(1000) == b""


def test_a_connection_is_kept_for_the_next_webhook(server: Served, memory: MemoryLog) -> None:
    request = head(len(BODY), signature(BODY)) + BODY
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(request[:100])
            connection.sendall(request[100:])
            assert read_answer(connection).startswith(b"HTTP/1.1 204 ")
    assert len(memory.facts) == 3


def test_something_that_is_no_http_is_answered_400(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 400 ")


def test_large_bodies_that_never_end_leave_room_for_others() -> None:
    """Nobody has signed them yet: eight of them, of one address, may not have small bodies refused."""
    limit = 1024 * 1024
    with served(opened, body_limit=limit, bodies_in_memory=8 * limit, body_timeout=30) as server, ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(server.connect())
            connection.sendall(head(limit, signature(BODY)) + b"x" * (limit - 1))
        eventually(lambda: (bytes_held() or 0) >= 4 * (limit - 1))
        assert (bytes_held() or 0) < 5 * limit, "half of it"
        assert server.post(BODY).status_code == 204
        assert server.post(encoded(comment("comment_created", body="x" * (SMALL // 2)))).status_code == 204
    eventually(lambda: bytes_held() == 0)


def test_what_is_large_is_bounded_for_one_peer_and_for_all() -> None:
    budget = BodyBudget(limit=800, body_limit=100)
    assert budget.take(400, 400, "a")
    assert not budget.take(1, 1, "a"), "half of it for one"
    assert budget.take(200, 200, "b")
    assert not budget.take(1, 1, "c"), "three quarters of it for all"
    assert budget.take(200, 0, "a"), "the rest is for what is small"
    assert not budget.take(1, 0, "c")
    for size, large, peer in ((400, 400, "a"), (200, 200, "b"), (200, 0, "a")):
        budget.give_back(size, large, peer)
    assert (budget.used, budget._large) == (0, {})
