"""One broker of three dies, in turn, or hangs: the others carry on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.broker.cluster import Cluster
from tests.kafka.installation import OnKafka, installed
from tests.kafka.report import Report
from tests.kafka.underload import under_load
from tests.rounds import Rounds

pytestmark = [pytest.mark.anyio, pytest.mark.fault]


@pytest.fixture
def on_cluster(cluster: Cluster, migrated: Path, tmp_path: Path) -> Iterator[OnKafka]:
    """A Rollcall on three brokers, not started."""
    copies = {"partitions": 6, "replication_factor": 3, "min_insync_replicas": 2, "append_timeout": 8}
    with installed(tmp_path, migrated, address=cluster.address, kafka=copies) as made:
        yield made
    cluster.revive()


async def test_one_broker_of_three_is_killed_in_turn(
    on_cluster: OnKafka, cluster: Cluster, report: Report, rounds: Rounds
) -> None:
    await asyncio.to_thread(on_cluster.begin)
    async with under_load(on_cluster, report) as load:
        for number in rounds(short=3, at_least=9):
            node = number % len(cluster.brokers)
            await load.until_accepted(100)
            await asyncio.to_thread(cluster.wait_until_whole, on_cluster.topic_prefix)
            with load.outage(f"broker {node + 1} of 3 killed ({number})"):
                cluster.brokers[node].kill()
                await asyncio.sleep(4.0)  # longer than the controllers take to notice
                await load.until_accepted(100)
            await asyncio.to_thread(cluster.brokers[node].start)


async def test_one_broker_of_three_hangs(on_cluster: OnKafka, cluster: Cluster, report: Report, rounds: Rounds) -> None:
    await asyncio.to_thread(on_cluster.begin)
    async with under_load(on_cluster, report) as load:
        for number in rounds():
            node = number % len(cluster.brokers)
            await load.until_accepted(100)
            await asyncio.to_thread(cluster.wait_until_whole, on_cluster.topic_prefix)
            with load.outage(f"broker {node + 1} of 3 hangs ({number})"):
                cluster.brokers[node].hang()
                try:
                    await asyncio.sleep(20.0 if rounds.long else 5.0)
                    await load.until_accepted(100)
                finally:
                    cluster.brokers[node].go_on()
