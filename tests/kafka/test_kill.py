"""SIGKILL of ingest and of the consumer, under load: nothing accepted is lost, nothing counted twice."""

import asyncio
import random

import pytest

from tests.kafka.installation import OnKafka
from tests.kafka.load import Load
from tests.kafka.oracle import assert_stored
from tests.kafka.report import Report

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(170), pytest.mark.soak]

SHORT = 1
RANDOM_KILLS = 30


async def ingest_is_killed(on_kafka: OnKafka, report: Report, kills: int) -> None:
    chance = random.Random(kills)
    await asyncio.to_thread(on_kafka.begin)
    load = Load(on_kafka.webhook_url, report)
    async with load.posting():
        with load.outage(f"ingest killed, times {kills}"):
            for _ in range(kills):
                await load.until_accepted(chance.randrange(20, 200))
                on_kafka.kill()
                await asyncio.to_thread(on_kafka.start, "ingest")
        await load.until_accepted(50)
    await finished(on_kafka, load)


async def consumer_is_killed(on_kafka: OnKafka, report: Report, kills: int) -> None:
    chance = random.Random(kills)
    await asyncio.to_thread(on_kafka.begin)
    load = Load(on_kafka.webhook_url, report)
    async with load.posting():
        with load.outage(f"consumer killed, times {kills}"):
            for _ in range(kills):
                await load.until_accepted(chance.randrange(50, 400))
                on_kafka.kill_consumer()
                on_kafka.start_consumer()
                await asyncio.sleep(chance.uniform(0.0, 3.0))
    await finished(on_kafka, load)
    assert load.refused == 0


async def finished(on_kafka: OnKafka, load: Load) -> None:
    await on_kafka.finish()
    load.assert_answers_were_proper()
    await assert_stored(on_kafka.folder, load.accepted, load.sent)


async def test_sigkill_of_ingest(on_kafka: OnKafka, report: Report) -> None:
    await ingest_is_killed(on_kafka, report, SHORT)


async def test_sigkill_of_the_consumer_between_insert_and_commit(on_kafka: OnKafka, report: Report) -> None:
    on_kafka.start_consumer_that_dies(inserts=2)
    await asyncio.to_thread(on_kafka.start, "ingest")
    load = Load(on_kafka.webhook_url, report)
    async with load.posting():
        await asyncio.to_thread(on_kafka.wait_for_consumers_end)
        on_kafka.start_consumer()
        await load.until_accepted(100)
    await finished(on_kafka, load)


async def test_sigkill_of_the_consumer_at_random_moments(on_kafka: OnKafka, report: Report) -> None:
    await consumer_is_killed(on_kafka, report, SHORT)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_sigkill_of_ingest_at_30_random_moments(on_kafka: OnKafka, report: Report) -> None:
    await ingest_is_killed(on_kafka, report, RANDOM_KILLS)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_sigkill_of_the_consumer_at_30_random_moments(on_kafka: OnKafka, report: Report) -> None:
    await consumer_is_killed(on_kafka, report, RANDOM_KILLS)
