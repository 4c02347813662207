"""The sender keeps to Jira's rules: what is tried again, how often, with which headers, and when it gives up."""

import hmac
import json
from collections import Counter
from hashlib import sha256
from itertools import islice
from typing import Any

import anyio
import pytest

from simulator import SiteConfig
from simulator.hooks.delivery import Announcer, Delivery, DeliveryStats, headers, signature
from simulator.hooks.host import LONGEST_S, SHORTEST_S, HostHealth, retriable, retry_delay
from simulator.hooks.sender import Disorder, Sender, Shuffle
from simulator.life.stream import acts

from .receiver import Received, receiving
from .webhook_facts import webhook_facts, webhook_truth

pytestmark = pytest.mark.anyio


class PatientClock:
    """Time passes only while everything that is under way waits for a retry, so no slow machine spoils a test."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.sender: Sender | None = None

    def now(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(0.0005)
        if self.sender and self.sender.idle:
            self.passed += seconds


def patient(url: str, **more: Any) -> Sender:
    clock = PatientClock()
    clock.sender = Sender(url, clock=clock, **more)
    return clock.sender


def deliveries(config: SiteConfig, count: int) -> list[Delivery]:
    announcer = Announcer(config)
    told = acts(config, config.start_ms)
    return list(islice((delivery for act in told for delivery in announcer.deliveries(act)), count))


def test_the_signature_is_the_official_one() -> None:
    expected = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    assert signature("It's a Secret to Everybody", b"Hello World!") == expected


async def test_everything_arrives_once_signed_and_named(config: SiteConfig) -> None:
    sent = deliveries(config, 300)
    async with receiving() as receiver:
        stats = await Sender(receiver.url, "s3cret").send(sent)
    assert (stats.sent, stats.delivered, stats.retried, stats.lost_keys) == (300, 300, 0, set())
    assert sorted(one.body for one in receiver.received) == sorted(one.body for one in sent)
    assert len({one.identifier for one in receiver.received}) == 300
    assert receiver.most <= 30
    for one in receiver.received:
        digest = hmac.new(b"s3cret", one.body, sha256).hexdigest()
        assert one.headers["x-hub-signature"] == f"sha256={digest}"
        assert one.headers["content-type"] == "application/json; charset=utf-8"
        assert one.headers["user-agent"] == "Atlassian Webhook HTTP Client"
        assert "x-atlassian-webhook-retry" not in one.headers
        assert one.headers["x-atlassian-webhook-flow"] in ("Primary", "Secondary")


async def test_overload_is_tried_again_under_the_same_identifier(config: SiteConfig) -> None:
    statuses = [408, 409, 425, 429, 500, 502, 503, 504]
    first: dict[str, int] = {}

    def second_time(one: Received) -> int:
        if one.identifier in first:
            return 204
        first[one.identifier] = statuses[len(first)]
        return first[one.identifier]

    async with receiving(second_time) as receiver:
        stats = await patient(receiver.url).send(deliveries(config, 8))
    assert (stats.delivered, stats.retried, stats.lost_keys) == (8, 8, set())
    assert stats.statuses == {204: 8} | dict.fromkeys(statuses, 1)
    retries = Counter(one.headers.get("x-atlassian-webhook-retry") for one in receiver.received)
    assert retries == {None: 8, "1": 8}


async def test_other_refusals_lose_the_webhook_at_once(config: SiteConfig) -> None:
    statuses = [400, 401, 403, 404, 410, 413, 422, 302]
    sent = deliveries(config, 8)
    async with receiving(lambda _one: statuses.pop()) as receiver:
        stats = await patient(receiver.url).send(sent)
    assert (stats.sent, stats.delivered, stats.retried) == (8, 0, 0)
    assert stats.lost_keys == {key for one in sent for key in one.keys}
    lost = stats.as_json()["lost"]
    assert {entry["identifier"] for entry in lost} == {one.identifier for one in receiver.received}


async def test_five_retries_and_no_more(config: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first = deliveries(config, 2)
    stubborn = headers(first[0], "")["X-Atlassian-Webhook-Identifier"]

    # The other webhooks get through, so the host is never given up.
    async with receiving(lambda one: 503 if one.identifier == stubborn else 204) as receiver:
        monkeypatch.setattr(HostHealth, "failed", lambda _self: None)
        stats = await patient(receiver.url).send(first)
    tries = [one.headers.get("x-atlassian-webhook-retry") for one in receiver.received if one.identifier == stubborn]
    assert tries == [None, "1", "2", "3", "4", "5"]
    assert stats.lost_keys == set(first[0].keys)
    assert stats.as_json()["lost"][0]["reason"] == "5 retries"


async def test_half_an_hour_of_failure_leaves_one_attempt_each(config: SiteConfig) -> None:
    async with receiving(lambda _one: 500) as receiver:
        stats = await patient(receiver.url, waiting_limit=20).send(deliveries(config, 400))
    reasons = Counter(entry["reason"] for entry in stats.as_json()["lost"])
    assert sum(reasons.values()) == 400
    assert reasons["one attempt only"] > 300
    tries = Counter(one.identifier for one in receiver.received)
    assert Counter(tries.values())[1] > 300, "most of the webhooks of the outage are tried once"


async def test_an_unreachable_host_counts_as_failure(config: SiteConfig) -> None:
    stats = await patient("http://127.0.0.1:9").send(deliveries(config, 5))
    assert stats.delivered == 0
    assert stats.retried > 0
    assert len(stats.as_json()["lost"]) == 5
    assert set(stats.statuses) == {0}


def test_a_success_ends_the_outage() -> None:
    now = 0.0
    health = HostHealth(lambda: now)
    health.failed()
    now = 1_799.0
    assert not health.given_up
    now = 1_800.0
    assert health.given_up
    health.answered()
    assert not health.given_up


def test_pauses_are_five_to_fifteen_minutes_and_differ() -> None:
    pauses = [retry_delay(number, retry) for number in range(50) for retry in range(1, 6)]
    assert all(SHORTEST_S <= one <= LONGEST_S for one in pauses)
    assert len(set(pauses)) == len(pauses)


def test_only_some_statuses_are_tried_again() -> None:
    assert [status for status in (0, *range(200, 600)) if retriable(status)] == [
        0,
        408,
        409,
        425,
        429,
        *range(500, 600),
    ]


def test_disorder_is_bounded_and_repeats(config: SiteConfig) -> None:
    source = deliveries(config, 2_000)

    def run() -> tuple[list[int], list[int]]:
        lost: list[int] = []
        shuffle = Shuffle(Disorder(loss=0.1, duplicates=0.2, window=40), lambda one: lost.append(one.number))
        out = [parcel for one in source for parcel in shuffle.push(one)] + list(shuffle.flush())
        return [parcel.delivery.number for parcel in out], lost

    out, lost = run()
    assert (out, lost) == run()
    assert set(out) | set(lost) == {one.number for one in source}
    assert not set(out) & set(lost)
    assert 120 < len(lost) < 280
    doubled = Counter(Counter(out).values())
    assert 260 < doubled[2] < 480
    order = [one.number for one in source if one.number not in set(lost)]
    first = {number: place for place, number in reversed(list(enumerate(out)))}
    assert out != order
    places = {number: place for place, number in enumerate(order)}
    assert all(abs(first[number] - places[number] * len(out) / len(order)) < 130 for number in order)


async def test_what_a_duplicate_brings_is_not_lost(config: SiteConfig) -> None:
    seen: Counter[str] = Counter()

    def first_is_refused(one: Received) -> int:
        seen[one.identifier] += 1
        return 400 if seen[one.identifier] == 1 else 204

    async with receiving(first_is_refused) as receiver:
        stats = await Sender(receiver.url, disorder=Disorder(duplicates=1.0)).send(deliveries(config, 50))
    assert stats.delivered == 50
    assert not stats.lost_keys


def test_a_pair_is_lost_when_both_are_and_is_forgotten_once_settled(config: SiteConfig) -> None:
    for fates, lost in (("al", False), ("la", False), ("aa", False), ("ll", True)):
        stats, one = DeliveryStats(), deliveries(config, 1)[0]
        for fate in fates:
            if fate == "a":
                stats.arrived(one, twin=True)
            else:
                stats.lose(one, "status 400", twin=True)
        assert (stats.lost_keys == set(one.keys), stats.half_known) == (lost, 0), fates


def test_duplicates_take_no_more_memory_than_the_window_holds(config: SiteConfig) -> None:
    stats = DeliveryStats()
    shuffle = Shuffle(Disorder(duplicates=1.0, window=20), lambda one: stats.lose(one, "not sent"))
    for one in deliveries(config, 1_500):
        for parcel in shuffle.push(one):
            stats.arrived(parcel.delivery, twin=parcel.twin)
            assert stats.half_known <= 42, "a window of pairs"
    for parcel in shuffle.flush():
        stats.arrived(parcel.delivery, twin=parcel.twin)
    assert (stats.delivered, stats.half_known) == (3_000, 0)


async def test_webhooks_tell_what_the_truth_says_they_can(config: SiteConfig) -> None:

    short = SiteConfig(seed=5, people=25, days=4, now_ms=config.now_ms)
    announcer = Announcer(short)
    told = acts(short, short.start_ms, short.now_ms)
    disorder = Disorder(duplicates=0.1, window=30)
    async with receiving() as receiver:
        await Sender(receiver.url, disorder=disorder).send(one for act in told for one in announcer.deliveries(act))
    facts: dict[str, tuple[str, int]] = {}
    for one in receiver.received:
        facts |= webhook_facts(json.loads(one.body), one.headers["x-atlassian-webhook-flow"])
    assert facts == webhook_truth(short)
