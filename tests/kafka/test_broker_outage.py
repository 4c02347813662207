"""The only broker dies and comes back, hangs with its connections open, or has no disk left."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.disk import SmallDisk
from tests.kafka.broker.choosing import real_is_required
from tests.kafka.broker.java import JavaBroker
from tests.kafka.broker.single import single_broker
from tests.kafka.conftest import require_java
from tests.kafka.installation import OnKafka, installed
from tests.kafka.load import Load
from tests.kafka.report import Report
from tests.kafka.underload import under_load
from tests.rounds import Rounds

pytestmark = [pytest.mark.anyio, pytest.mark.fault]

ANSWERED_WITHIN = 12.0
"""Seconds that a webhook may wait at most: the append's patience of 2.5 s, plus a busy machine's."""

HANGS = 60.0
"""Seconds, in a soak."""

STALLS = 10
"""How often a slow broker stands still, in the short form."""


async def not_ready(on_kafka: OnKafka) -> None:
    """Ingest is alive, and soon says that its log is away: a broker that just lost its disk still answers a moment."""
    async with httpx.AsyncClient(timeout=30) as client, asyncio.timeout(60):
        assert (await client.get(f"{on_kafka.url}/healthz")).status_code == httpx.codes.OK
        while (ready := await client.get(f"{on_kafka.url}/readyz")).status_code == httpx.codes.OK:
            await asyncio.sleep(0.1)
        assert ready.json()["log"] != "ok"


def assert_nobody_waited_long(load: Load) -> None:
    assert max(answer.seconds for answer in load.answers) < ANSWERED_WITHIN


async def test_the_only_broker_is_killed_and_restarted(
    on_kafka: OnKafka, killable: JavaBroker, report: Report, rounds: Rounds
) -> None:
    await asyncio.to_thread(on_kafka.begin)
    async with under_load(on_kafka, report) as load:
        for number in rounds(at_least=10):
            await load.until_accepted(100)
            with load.outage(f"the only broker killed and restarted ({number})"):
                killable.kill()
                await load.until_refused(3)
                await not_ready(on_kafka)
                await asyncio.to_thread(killable.start)
                await load.until_accepted(20)
        await load.until_accepted(50)
    assert_nobody_waited_long(load)


async def test_the_broker_hangs_without_closing(
    on_kafka: OnKafka, killable: JavaBroker, report: Report, rounds: Rounds
) -> None:
    await asyncio.to_thread(on_kafka.begin)
    async with under_load(on_kafka, report) as load:
        for number in rounds():
            await load.until_accepted(100)
            with load.outage(f"the broker hangs ({number})"):
                killable.hang()
                try:
                    await load.until_refused(3)
                    await not_ready(on_kafka)
                    await asyncio.sleep(HANGS if rounds.long else 0)
                finally:
                    killable.go_on()
                await load.until_accepted(20)
        await load.until_accepted(50)
    assert_nobody_waited_long(load)


async def test_the_broker_is_slow(on_kafka: OnKafka, killable: JavaBroker, report: Report, rounds: Rounds) -> None:
    """It works a tenth of the time: an answer takes a second and more, the patience of a webhook 2.5 s."""
    await asyncio.to_thread(on_kafka.begin)
    async with under_load(on_kafka, report) as load:
        await load.until_accepted(100)
        with load.outage("the broker slow"):
            for _ in rounds(short=STALLS):
                killable.hang()
                try:
                    await asyncio.sleep(0.9)
                finally:
                    killable.go_on()
                await asyncio.sleep(0.1)
        await load.until_accepted(50)
    assert_nobody_waited_long(load)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with ExitStack() as stack:
        try:
            made = stack.enter_context(SmallDisk.mounted(tmp_path / "disk", megabytes=48))
        except PermissionError as error:
            needs = f"needs the right to mount a file system: {error}"
            if real_is_required():
                pytest.fail(needs)
            pytest.skip(needs)
        yield made


@pytest.fixture
def small_broker(disk: SmallDisk) -> Iterator[JavaBroker]:
    """A broker whose log is on a disk of its own."""
    require_java()
    made = single_broker(disk.folder / "broker")
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def test_the_brokers_log_disk_is_full(
    small_broker: JavaBroker, disk: SmallDisk, migrated: Path, tmp_path: Path, report: Report, rounds: Rounds
) -> None:
    with installed(tmp_path, migrated, address=small_broker.address) as on_kafka:
        await asyncio.to_thread(on_kafka.begin)
        async with under_load(on_kafka, report) as load:
            for number in rounds():
                await load.until_accepted(100)
                with load.outage(f"the broker's log disk full ({number})"):
                    disk.fill()
                    await load.until_refused(3)
                    await not_ready(on_kafka)
                    disk.make_room()
                    # Kafka gives up a log folder that it cannot write to, and with its only one itself.
                    await asyncio.to_thread(small_broker.revive)
                    await load.until_accepted(20)
            await load.until_accepted(50)
    assert_nobody_waited_long(load)
