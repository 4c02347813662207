"""What is answered, and what is kept of it."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import OLD_SECRET, SECRET, Served, head, read_answer, signature

BODY = encoded(comment("comment_created"))
MIB = 1024 * 1024


def nothing_kept(memory: MemoryLog) -> bool:
    return not memory.records


def test_a_signed_webhook_is_kept_and_answered_204(server: Served, memory: MemoryLog) -> None:
    answer = server.post(BODY)
    assert (answer.status_code, answer.content) == (204, b"")
    assert [fact.event_key for fact in memory.facts] == ["comment:77:created"]
    (record,) = memory.records["rollcall.activity"]
    assert record.key == b"comment:77:created"
    assert "server" not in answer.headers


def test_a_webhook_sent_again_gives_the_same_fact(server: Served, memory: MemoryLog) -> None:
    for retry in range(3):
        assert server.post(BODY, x_atlassian_webhook_retry=str(retry)).status_code == 204
    assert {fact.event_key for fact in memory.facts} == {"comment:77:created"}


@pytest.mark.parametrize("method", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_every_secret_and_safe_method(server: Served, secret: str, method: str) -> None:
    assert server.post(BODY, x_hub_signature=signature(BODY, secret, method)).status_code == 204


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        ("", "bad_signature"),
        ("sha256=", "bad_signature"),
        (signature(BODY)[:-2], "bad_signature"),
        (signature(BODY, method="sha1"), "bad_signature"),
        (signature(BODY, method="md5"), "bad_signature"),
        ("none=" + signature(BODY)[7:], "bad_signature"),
        (signature(BODY)[7:], "bad_signature"),
        (signature(BODY, "wrong"), "wrong_signature"),
        (signature(BODY, ""), "wrong_signature"),
        (signature(BODY + b" "), "wrong_signature"),
    ],
)
def test_a_bad_signature_is_answered_401(server: Served, memory: MemoryLog, claimed: str, reason: str) -> None:
    answer = server.post(BODY, x_hub_signature=claimed)
    assert (answer.status_code, answer.json()) == (401, {"error": reason})
    assert nothing_kept(memory)


def test_no_signature_is_answered_401_without_reading_the_body(server: Served, memory: MemoryLog) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /webhooks/acme HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert nothing_kept(memory)


def test_an_unknown_site_is_answered_404(server: Served, memory: MemoryLog) -> None:
    paths = ("nobody", "nobody/", "", "acme/x", "acme/x/", "ACME", "%00")
    for path in ("/webhooks", *(f"/webhooks/{name}" for name in paths)):
        answer = server.client.post(path, content=BODY, headers={"x-hub-signature": signature(BODY)})
        assert (answer.status_code, answer.json()) == (404, {"error": "unknown_site"}), path
    assert nothing_kept(memory)


def test_a_slash_at_the_end_makes_no_difference(server: Served, memory: MemoryLog) -> None:
    """A redirect, to the scheme that the proxy uses, would be answered by Jira with nothing, and the event be lost."""
    answer = server.client.post("/webhooks/acme/", content=BODY, headers={"x-hub-signature": signature(BODY)})
    assert answer.status_code == 204
    assert [(fact.site, fact.event_key) for fact in memory.facts] == [("acme", "comment:77:created")]
    assert server.client.post("/webhooks/acme/", content=BODY).json() == {"error": "no_signature"}
    assert server.client.post("/webhooks/acme//", content=BODY).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_answered_405(server: Served, memory: MemoryLog, method: str) -> None:
    answer = server.client.request(method, "/webhooks/acme", headers={"x-hub-signature": signature(b"")})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == (b"" if method == "HEAD" else b'{"error": "not_post"}')
    assert nothing_kept(memory)


def test_a_site_that_takes_unsigned_webhooks_takes_any(server: Served, memory: MemoryLog) -> None:
    assert server.client.post("/webhooks/lax", content=BODY).status_code == 204
    assert server.post(BODY, site="lax", x_hub_signature="sha1=00").status_code == 204
    assert {fact.site for fact in memory.facts} == {"lax"}


def test_a_body_over_the_limit_is_answered_413(server: Served, memory: MemoryLog) -> None:
    body = b"x" * (33 * MIB)
    assert server.post(body).status_code == 413
    assert server.post(BODY).status_code == 204
    assert [fact.event_key for fact in memory.facts] == ["comment:77:created"]
    assert not memory.letters


def test_a_body_announced_over_the_limit_is_answered_before_it_comes(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(head(33 * MIB, signature(BODY)))
        assert read_answer(connection).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_the_limit_is_answered_413(server: Served, memory: MemoryLog) -> None:
    chunks = (b"x" * MIB for _ in range(33))
    answer = server.client.post("/webhooks/acme", content=chunks, headers={"x-hub-signature": signature(BODY)})
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert nothing_kept(memory)


def test_a_body_within_the_limit_is_taken_whole(server: Served, memory: MemoryLog) -> None:
    body = encoded(comment("comment_created", body="x" * (25 * MIB)))
    assert server.post(body).status_code == 204
    assert [fact.event_key for fact in memory.facts] == ["comment:77:created"]


def test_a_chunked_body_is_taken(server: Served, memory: MemoryLog) -> None:
    answer = server.client.post(
        "/webhooks/acme", content=iter([BODY[:9], BODY[9:]]), headers={"x-hub-signature": signature(BODY)}
    )
    assert answer.status_code == 204
    assert memory.facts


def test_a_body_in_drops_is_taken(server: Served, memory: MemoryLog) -> None:
    with server.connect() as connection:
        connection.sendall(head(len(BODY), signature(BODY), "expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        for at in range(0, len(BODY), 50):
            connection.sendall(BODY[at : at + 50])
        assert read_answer(connection).startswith(b"HTTP/1.1 204 ")
    assert memory.facts


@pytest.mark.parametrize("upgrade", ["Upgrade: h2c", "upgrade : websocket"])
def test_a_wish_for_another_protocol_costs_no_body(server: Served, memory: MemoryLog, upgrade: str) -> None:
    """As Java's HTTP client has it, which proxies are made of."""
    body = encoded(comment("comment_created", body="\r\nupgrade: is text here"))
    wish = ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAAB", upgrade)
    with server.connect() as connection:
        for sent in (head(len(body), signature(body), *wish) + body, head(len(body), signature(body)) + body):
            connection.sendall(sent)
            assert read_answer(connection).startswith(b"HTTP/1.1 204 ")
    assert len(memory.facts) == 2


def test_a_signed_body_that_is_not_understood_is_a_dead_letter(server: Served, memory: MemoryLog) -> None:
    answer = server.post(b"\x00 not json", x_atlassian_webhook_identifier="id-1", x_atlassian_webhook_flow="Primary")
    assert answer.status_code == 204
    (letter,) = memory.letters
    assert (letter.site, letter.reason, letter.payload) == ("acme", "not_json", b"\x00 not json")
    assert letter.headers == {"x-atlassian-webhook-identifier": "id-1", "x-atlassian-webhook-flow": "Primary"}
    assert not memory.facts


def test_the_flow_header_is_heeded(server: Served, memory: MemoryLog) -> None:
    body = encoded(comment("comment_deleted"))
    assert server.post(body, X_Atlassian_Webhook_Flow="Secondary").status_code == 204
    assert nothing_kept(memory)
    assert server.post(body, X_Atlassian_Webhook_Flow="Primary").status_code == 204
    assert memory.facts


def test_a_body_on_which_rollcall_fails_is_a_dead_letter(
    server: Served, memory: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret text")

    monkeypatch.setattr("ingest.handler.translate", broken)
    assert server.post(BODY).status_code == 204
    (letter,) = memory.letters
    assert (letter.reason, letter.payload) == ("fault", BODY)
    assert "KeyError" in letter.detail
    assert "secret" not in letter.detail


def test_many_connections_at_once(server: Served, memory: MemoryLog) -> None:
    bodies = [encoded(comment("comment_created", id=number)) for number in range(1, 301)]
    with ThreadPoolExecutor(20) as pool:
        answers: list[httpx.Response] = list(pool.map(server.post, bodies))
    assert {answer.status_code for answer in answers} == {204}
    assert {fact.event_key for fact in memory.facts} == {f"comment:{number}:created" for number in range(1, 301)}
