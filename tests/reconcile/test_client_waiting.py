"""When the client asks again, and how long it waits before."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from structlog.testing import capture_logs

from reconcile.client.endpoints import MYSELF, REGISTER_WEBHOOK
from reconcile.client.jira_errors import JiraUnavailableError
from reconcile.client.retry import Backoff, retry_after
from reconcile.responses import Myself
from rollcall.logs import logger

from .scripted import Script, page, scripted

pytestmark = pytest.mark.anyio

BURST, QUOTA = "jira-burst-based", "jira-quota-global-based"
GOOD = page({"timeZone": "UTC"})
HTML = "<!DOCTYPE html><html><body><h1>Oops, you have made too many requests.</h1></body></html>"


@pytest.fixture(autouse=True)
def unbound_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that an earlier test has bound would not be captured."""
    monkeypatch.setattr("reconcile.client.retry.log", logger("reconcile.client.retry"))


def html(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, text=HTML, headers={name.replace("_", "-"): one for name, one in headers.items()})


@pytest.mark.parametrize(
    ("refusal", "waits", "reason"),
    [
        (html(429), 2.0, "http-429"),
        (html(429, Retry_After="0"), 2.0, "http-429"),
        (html(429, Retry_After="7"), 7.0, "http-429"),
        (html(503), 2.0, "http-503"),
        (html(503, Retry_After="3"), 3.0, "http-503"),
        (page({"errorMessages": ["slow"]}, 429, Retry_After="1", RateLimit_Reason="jira-burst-based"), 1.0, BURST),
        (page({}, 429, Retry_After="1847", RateLimit_Reason="jira-quota-global-based"), 1847.0, QUOTA),
        (page({}, 429, Retry_After="nonsense"), 2.0, "http-429"),
        (html(408), 2.0, "http-408"),
        (html(500), 2.0, "http-500"),
        (html(502), 2.0, "http-502"),
        (html(504), 2.0, "http-504"),
        (httpx.ConnectError("refused"), 2.0, "connection"),
        (httpx.ReadTimeout("slow"), 2.0, "connection"),
        (httpx.RemoteProtocolError("cut"), 2.0, "connection"),
    ],
)  # fmt: skip
async def test_what_is_asked_again_and_when(refusal: httpx.Response | Exception, waits: float, reason: str) -> None:
    script = Script([refusal, GOOD])
    async with scripted(script) as jira:
        assert (await jira.read(Myself, MYSELF)).time_zone == "UTC"
    assert script.waited == [waits]
    assert jira.stats.waits == {reason: 1}
    assert jira.stats.wait_seconds == {reason: waits}
    assert jira.stats.requests == {"GET /myself": 2}


async def test_a_date_in_retry_after() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    script = Script([html(429, Retry_After=later), GOOD])
    async with scripted(script) as jira:
        await jira.ask(MYSELF)
    assert 50 < script.waited[0] < 61


async def test_a_quota_without_retry_after_waits_for_its_reset_even_without_seconds() -> None:
    reset = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%MZ")
    script = Script([page({}, 429, RateLimit_Reason="jira-quota-tenant-based", X_RateLimit_Reset=reset), GOOD])
    async with scripted(script) as jira:
        await jira.ask(MYSELF)
    assert 8 * 60 < script.waited[0] <= 10 * 60


async def test_a_quota_beyond_the_setting_is_a_clear_error_at_once() -> None:
    script = Script([page({}, 429, Retry_After="1847", RateLimit_Reason="jira-quota-global-based")])
    async with scripted(script, wait_max=600.0) as jira:
        with pytest.raises(JiraUnavailableError, match=r"31 minutes, longer than reconcile\.wait_max"):
            await jira.ask(MYSELF)
    assert script.waited == []
    assert len(script.asked) == 1


async def test_pauses_double_up_to_the_limit_and_then_it_gives_up() -> None:
    script = Script([html(503)])
    async with scripted(script, attempts=8) as jira:
        with pytest.raises(JiraUnavailableError, match="Jira answers 503, 8 times over"):
            await jira.ask(MYSELF)
    assert script.waited == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert len(script.asked) == 8
    assert jira.stats.waits == {"http-503": 7}


async def test_a_retry_after_that_does_not_help_grows_too() -> None:
    script = Script([html(429, Retry_After="1")])
    async with scripted(script, attempts=6) as jira:
        with pytest.raises(JiraUnavailableError):
            await jira.ask(MYSELF)
    assert script.waited == [1.0, 1.0, 8.0, 16.0, 30.0]


def test_jitter_stays_between_and_never_below_what_jira_asked_for() -> None:
    backoff = Backoff()
    assert {round(backoff.pause(1, 0.0) / 2, 3) for _ in range(200)} <= {n / 1000 for n in range(700, 1301)}
    assert all(10.0 <= backoff.pause(1, 10.0) <= 13.0 for _ in range(200))


def test_a_reason_that_is_no_word_is_not_repeated() -> None:
    assert retry_after(429, {"ratelimit-reason": "x\x1b[31m evil"}).reason == "http-429"


@pytest.mark.parametrize("failure", [html(503), html(500), httpx.ReadTimeout("slow")])
async def test_what_must_not_be_done_twice_is_not_sent_again(failure: httpx.Response | Exception) -> None:
    script = Script([failure])
    async with scripted(script) as jira:
        with pytest.raises(Exception, match="webhook"):
            await jira.ask(REGISTER_WEBHOOK, body={})
    assert len(script.asked) == 1


@pytest.mark.parametrize("failure", [html(429), httpx.ConnectError("refused")])
async def test_unless_it_was_surely_not_done(failure: httpx.Response | Exception) -> None:
    script = Script([failure, page({})])
    async with scripted(script) as jira:
        await jira.ask(REGISTER_WEBHOOK, body={})
    assert len(script.asked) == 2


async def test_long_pauses_are_told_of_once_a_minute_and_reason_and_short_ones_are_not() -> None:
    quota = page({}, 429, Retry_After="1847", RateLimit_Reason="jira-quota-global-based")
    script = Script([html(503), html(503, Retry_After="60"), html(503, Retry_After="60"), quota, GOOD])
    with capture_logs() as lines:
        async with scripted(script) as jira:
            await jira.ask(MYSELF)
    told = [line for line in lines if line["log_level"] == "info"]
    assert [(line["event"], line["host"], line["seconds"]) for line in told] == [
        ("waiting for Jira", "acme.atlassian.net", 60.0),
        ("waiting for Jira", "acme.atlassian.net", 1847.0),
    ]
    assert [line["cause"] for line in told] == ["Jira answers 503", "Jira answers 429"]


async def test_a_long_pause_is_told_also_right_after_a_shorter_one_of_the_same_reason() -> None:
    script = Script([html(429, Retry_After="12"), html(429, Retry_After="3900"), GOOD])
    heard: list[tuple[str, float]] = []
    with capture_logs() as lines:
        async with scripted(script) as jira:
            jira.pauses.listener = lambda cause, seconds: heard.append((cause, seconds))
            await jira.ask(MYSELF)
    assert [line["seconds"] for line in lines if line["log_level"] == "info"] == [12.0, 3900.0]
    assert heard == [("Jira answers 429", 12.0), ("Jira answers 429", 3900.0)]


async def test_whoever_listens_hears_the_reason_of_a_quota() -> None:
    script = Script([page({}, 429, Retry_After="1847", RateLimit_Reason="jira-quota-global-based"), GOOD])
    heard: list[str] = []
    async with scripted(script) as jira:
        jira.pauses.listener = lambda cause, _: heard.append(cause)
        await jira.ask(MYSELF)
    assert heard == ["Jira answers 429, jira-quota-global-based"]
