"""What comes to the port and is no HTTP: a proxy that speaks TLS to it, or a stranger."""

import logging
import time

import pytest
from structlog.testing import capture_logs

from rollcall.logs import EachOncePerMinute

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import Served, head, signature
from .test_lost_posts import last_refused, refused

BODY = encoded(comment("comment_created"))
POST = head(len(BODY), signature(BODY)) + BODY
STRANGE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + POST,
    "letters in the path": POST.replace(b"/webhooks/acme", "/webhooks/acmé".encode(), 1),
    "a method in small letters": POST.replace(b"POST", b"post", 1),
    "two lengths": POST.replace(b"\r\n", b"\r\ncontent-length: 1\r\n", 1),
    "two hosts": POST.replace(b"\r\n", b"\r\nHost: evil.example\r\nHOST: localhost\r\n", 1),
    "a chunk without a size": b"POST /acme HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
}


def answered(server: Served, sent: bytes) -> bytes:
    """Return all that is answered until the other side closes."""
    found = b""
    with server.connect() as connection:
        connection.sendall(sent)
        while part := connection.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("sent", STRANGE.values(), ids=STRANGE)
def test_it_is_refused_counted_and_told(server: Served, memory: MemoryLog, sent: bytes) -> None:
    before = refused("not_http")
    with capture_logs() as lines:
        assert answered(server, sent).split()[1] == b"400"
    assert refused("not_http") == before + 1
    assert time.time() - last_refused("not_http") < 60
    told = [line for line in lines if line.get("reason") == "not_http"]
    assert [(line["site"], "plain HTTP/1.1" in line["remedy"]) for line in told] == [("", True)]
    assert not memory.records


def test_what_a_library_warns_of_is_told_once_a_minute_and_errors_always() -> None:
    limit = EachOncePerMinute(logging.WARNING)
    levels = [logging.WARNING, logging.WARNING, logging.ERROR, logging.ERROR]
    records = [logging.LogRecord("uvicorn.error", level, "", 0, f"level {level}", (), None) for level in levels]
    assert [limit.filter(record) for record in records] == [True, False, True, True]
