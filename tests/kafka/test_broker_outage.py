"""The only broker dies and comes back, or hangs with its connections open."""

import asyncio

import httpx
import pytest

from tests.kafka.broker.java import JavaBroker
from tests.kafka.installation import OnKafka
from tests.kafka.load import Load
from tests.kafka.report import Report
from tests.kafka.test_kill import finished

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(170), pytest.mark.soak]

ANSWERED_WITHIN = 12.0
"""Seconds that a webhook may wait at most: the append's patience of 2.5 s, plus a busy machine's."""


async def broker_is_killed(on_kafka: OnKafka, broker: JavaBroker, report: Report, kills: int) -> None:
    await asyncio.to_thread(on_kafka.begin)
    load = Load(on_kafka.webhook_url, report)
    async with load.posting():
        for turn in range(1, kills + 1):
            await load.until_accepted(100)
            with load.outage(f"the only broker killed and restarted ({turn})"):
                broker.kill()
                await load.until_refused(3)
                await not_ready(on_kafka)
                await asyncio.to_thread(broker.start)
                await load.until_accepted(20)
        await load.until_accepted(50)
    await finished(on_kafka, load)
    assert max(answer.seconds for answer in load.answers) < ANSWERED_WITHIN


async def broker_hangs(on_kafka: OnKafka, broker: JavaBroker, report: Report, seconds: float) -> None:
    await asyncio.to_thread(on_kafka.begin)
    load = Load(on_kafka.webhook_url, report)
    async with load.posting():
        await load.until_accepted(100)
        with load.outage(f"the broker hangs for {seconds:g} s and more"):
            broker.hang()
            try:
                await asyncio.sleep(seconds)
                await load.until_refused(3)
                await not_ready(on_kafka)
            finally:
                broker.go_on()
            await load.until_accepted(20)
        await load.until_accepted(50)
    await finished(on_kafka, load)
    assert max(answer.seconds for answer in load.answers) < ANSWERED_WITHIN


async def not_ready(on_kafka: OnKafka) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        assert (await client.get(f"{on_kafka.url}/healthz")).status_code == httpx.codes.OK
        assert (await client.get(f"{on_kafka.url}/readyz")).status_code == httpx.codes.SERVICE_UNAVAILABLE


async def test_the_only_broker_is_killed_and_restarted(on_kafka: OnKafka, killable: JavaBroker, report: Report) -> None:
    await broker_is_killed(on_kafka, killable, report, kills=1)


async def test_the_broker_hangs_without_closing(on_kafka: OnKafka, killable: JavaBroker, report: Report) -> None:
    await broker_hangs(on_kafka, killable, report, seconds=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_only_broker_is_killed_and_restarted_10_times(
    on_kafka: OnKafka, killable: JavaBroker, report: Report
) -> None:
    await broker_is_killed(on_kafka, killable, report, kills=10)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_broker_hangs_for_a_minute(on_kafka: OnKafka, killable: JavaBroker, report: Report) -> None:
    await broker_hangs(on_kafka, killable, report, seconds=60)
