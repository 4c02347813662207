"""SIGKILL of ingest and of the consumer, under load: nothing accepted is lost, nothing counted twice."""

import asyncio
import random

import pytest

from tests.kafka.installation import OnKafka
from tests.kafka.report import Report
from tests.kafka.underload import under_load
from tests.rounds import Rounds

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

RANDOM_KILLS = 30
"""In a soak; the short form has a tenth."""


async def test_sigkill_of_ingest(on_kafka: OnKafka, report: Report, rounds: Rounds) -> None:
    chance = random.Random(1)
    await asyncio.to_thread(on_kafka.begin)
    async with under_load(on_kafka, report) as load:
        for number in rounds(short=2, at_least=RANDOM_KILLS):
            with load.outage(f"ingest killed ({number})"):
                await load.until_accepted(chance.randrange(20, 200))
                on_kafka.kill()
                await asyncio.to_thread(on_kafka.start, "ingest")
        await load.until_accepted(50)


async def test_sigkill_of_the_consumer_between_insert_and_commit(
    on_kafka: OnKafka, report: Report, rounds: Rounds
) -> None:
    await asyncio.to_thread(on_kafka.start, "ingest")
    async with under_load(on_kafka, report) as load:
        for number in rounds():
            with load.outage(f"consumer killed between insert and commit ({number})"):
                on_kafka.start_consumer_that_dies(inserts=number % 4 + 1)
                await asyncio.to_thread(on_kafka.wait_for_consumers_end)
        on_kafka.start_consumer()
        await load.until_accepted(100)
    assert load.refused == 0


async def test_sigkill_of_the_consumer_at_random_moments(on_kafka: OnKafka, report: Report, rounds: Rounds) -> None:
    chance = random.Random(2)
    await asyncio.to_thread(on_kafka.begin)
    async with under_load(on_kafka, report) as load:
        for number in rounds(short=RANDOM_KILLS // 10, at_least=RANDOM_KILLS):
            with load.outage(f"consumer killed ({number})"):
                await on_kafka.consumer_at_work()
                await asyncio.sleep(chance.uniform(0.0, 3.0))
                on_kafka.kill_consumer()
                on_kafka.start_consumer()
        await load.until_accepted(50)
    assert load.refused == 0
