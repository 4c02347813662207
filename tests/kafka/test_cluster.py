"""One broker of three dies, in turn, or hangs: the others carry on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.broker.cluster import Cluster
from tests.kafka.installation import OnKafka, installed
from tests.kafka.load import Load
from tests.kafka.report import Report
from tests.kafka.test_kill import finished

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(170), pytest.mark.soak]


@pytest.fixture
def on_cluster(cluster: Cluster, migrated: Path, tmp_path: Path) -> Iterator[OnKafka]:
    """A Rollcall on three brokers, not started."""
    copies = {"partitions": 6, "replication_factor": 3, "min_insync_replicas": 2, "append_timeout": 8}
    with installed(tmp_path, migrated, address=cluster.address, kafka=copies) as made:
        yield made
    cluster.revive()


async def brokers_die_in_turn(on_cluster: OnKafka, cluster: Cluster, report: Report, turns: int) -> None:
    await asyncio.to_thread(on_cluster.begin)
    load = Load(on_cluster.webhook_url, report)
    async with load.posting():
        for turn in range(turns):
            broker = cluster.brokers[turn % len(cluster.brokers)]
            await load.until_accepted(100)
            await asyncio.to_thread(cluster.wait_until_whole, on_cluster.topic_prefix)
            with load.outage(f"broker {turn % len(cluster.brokers) + 1} of 3 killed"):
                broker.kill()
                await asyncio.sleep(4.0)  # longer than the controllers take to notice
                await load.until_accepted(100)
            await asyncio.to_thread(broker.start)
    await finished(on_cluster, load)


async def test_one_broker_of_three_is_killed(on_cluster: OnKafka, cluster: Cluster, report: Report) -> None:
    await brokers_die_in_turn(on_cluster, cluster, report, turns=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_each_broker_of_three_is_killed_in_turn(on_cluster: OnKafka, cluster: Cluster, report: Report) -> None:
    await brokers_die_in_turn(on_cluster, cluster, report, turns=9)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_one_broker_of_three_hangs(on_cluster: OnKafka, cluster: Cluster, report: Report) -> None:
    await asyncio.to_thread(on_cluster.begin)
    load = Load(on_cluster.webhook_url, report)
    async with load.posting():
        await load.until_accepted(100)
        await asyncio.to_thread(cluster.wait_until_whole, on_cluster.topic_prefix)
        with load.outage("one broker of 3 hangs for 20 s"):
            cluster.brokers[0].hang()
            try:
                await asyncio.sleep(20.0)
                await load.until_accepted(100)
            finally:
                cluster.brokers[0].go_on()
    await finished(on_cluster, load)
