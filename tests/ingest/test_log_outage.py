"""The log cannot take it: Jira must be told to send again, and is believed when it does."""

import pytest

from rollcall.errors import LogUnavailableError
from rollcall.settings import Settings

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import Served, served

FACT = encoded(comment("comment_created"))
LETTER = b"not json"


@pytest.mark.parametrize("body", [FACT, LETTER])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (LogUnavailableError("disk full"), "log_unavailable"),
        (OSError("secret text"), "log_failed"),
        (TimeoutError("secret text"), "log_timeout"),
    ],
)
def test_a_failing_log_is_answered_503_until_it_recovers(
    server: Served, memory: MemoryLog, body: bytes, fault: Exception, reason: str
) -> None:
    memory.fault = fault
    refused = server.post(body)
    assert (refused.status_code, refused.json()) == (503, {"error": reason})
    assert refused.headers["retry-after"] == "30"
    assert not memory.records

    memory.fault = None
    assert server.post(body).status_code == 204
    assert (len(memory.facts), len(memory.letters)) == ((1, 0) if body is FACT else (0, 1))


@pytest.mark.parametrize("body", [FACT, LETTER])
def test_a_log_that_hangs_is_answered_503(body: bytes) -> None:
    memory = MemoryLog()

    async def opened(_: Settings) -> MemoryLog:
        return memory

    with served(opened, append_timeout=0.1, retry_after=5) as server:
        memory.held.set()
        refused = server.post(body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json() == {"error": "log_timeout"}
        memory.held.clear()
        assert server.post(body).status_code == 204


def test_what_makes_no_record_needs_no_log(server: Served, memory: MemoryLog) -> None:
    memory.fault = LogUnavailableError("disk full")
    assert server.post(b'{"webhookEvent": "user_created"}').status_code == 204
