"""Log lines and metrics: enough to act on, and no secret, no body, no stranger's text."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from ingest.refusals import MEANINGS
from rollcall.errors import LogUnavailableError

from .memory_log import MemoryLog
from .payloads import comment, encoded, issue_event
from .serving import SECRET, Served, signature

BODY = encoded(comment("comment_created"))


def counted(event: str, outcome: str, site: str = "acme") -> float:
    labels = {"site": site, "event": event, "outcome": outcome}
    return REGISTRY.get_sample_value("rollcall_webhooks_total", labels) or 0


def lines_of(server: Served, body: bytes, site: str = "acme", **headers: str) -> list[Any]:
    with capture_logs() as lines:
        server.post(body, site, **headers)
    return lines


def test_a_refused_webhook_is_one_line(server: Served) -> None:
    claimed = signature(BODY, "wrong")
    lines = lines_of(server, BODY, x_hub_signature=claimed, x_atlassian_webhook_identifier="d-1")
    assert lines == [
        {
            "event": "webhook refused",
            "log_level": "warning",
            "site": "acme",
            "status": 401,
            "reason": "wrong_signature",
            "delivery": "d-1",
            "remedy": MEANINGS["wrong_signature"].remedy,
        }
    ]


def test_an_outage_says_why(server: Served, memory: MemoryLog) -> None:
    memory.fault = LogUnavailableError("disk full")
    (line,) = lines_of(server, BODY)
    assert (line["status"], line["reason"], line["detail"]) == (503, "log_unavailable", "disk full")


def test_a_dead_letter_is_one_line(server: Served, memory: MemoryLog) -> None:
    (line,) = lines_of(server, b"secret text", x_atlassian_webhook_identifier="d-2")
    assert (line["site"], line["reason"], line["delivery"]) == ("acme", "not_json", "d-2")
    assert line["letter"] == memory.letters[0].letter_id


def test_a_webhook_that_is_taken_is_no_line(server: Served) -> None:
    assert lines_of(server, BODY) == []


def test_what_strangers_send_is_neither_label_nor_line(server: Served) -> None:
    strange = "{evil}<script>\t\"'" + "x" * 5000
    before = counted("other", "unknown_site", site="")
    lines = lines_of(server, BODY, "evil", x_atlassian_webhook_identifier=strange)
    assert (lines[0]["site"], lines[0]["reason"]) == ("", "unknown_site")
    assert lines[0]["delivery"].startswith("?evil??script????xxx")
    assert len(lines[0]["delivery"]) == 64
    assert counted("other", "unknown_site", site="") == before + 1
    assert "evil" not in server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "event", "outcome"),
    [
        (BODY, "comment_created", "facts"),
        (encoded({"webhookEvent": "sprint_started"}), "sprint_started", "ignored"),
        (encoded({"webhookEvent": "jira:version_merged"}), "jira:version_*", "ignored"),
        (encoded({"webhookEvent": "made_up"}), "other", "ignored"),
        (encoded(comment("comment_updated", updated=None)), "comment_updated", "dead_letter"),
        (b"", "other", "dead_letter"),
        (
            encoded(issue_event("jira:issue_updated", issue_event_type_name="issue_commented", changelog=None)),
            "jira:issue_updated",
            "echo",
        ),
    ],
)
def test_webhooks_are_counted(server: Served, body: bytes, event: str, outcome: str) -> None:
    before = counted(event, outcome)
    assert server.post(body).status_code == 204
    assert counted(event, outcome) == before + 1


def test_no_secret_and_no_text_is_told(server: Served, memory: MemoryLog) -> None:
    told: list[Any] = []
    for body in (BODY, b"private text", encoded(comment("comment_created", id="private text"))):
        told += lines_of(server, body)
        told += lines_of(server, body, x_hub_signature=signature(body, "wrong"))
        memory.fault = LogUnavailableError("disk full")
        told += lines_of(server, body)
        memory.fault = None
    assert len(told) == 8
    assert "private" not in str(told)
    assert SECRET not in str(told)
