"""The replicated schema on two replicas of a real engine that register with a real ZooKeeper.

The replicas are embedded engines, which have no port for each other: no data flows, and they stay read-only. So what
is tried here is the schema. ON CLUSTER, which needs servers, is cut out; `test_cluster` holds its text.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rollcall.errors import WarehouseUnavailableError
from rollcall.warehouse import Row, Warehouse, migrate, open_warehouse
from rollcall.warehouse.client import Cluster
from rollcall.warehouse.schema_check import drift
from tests.java.jars import ZOOKEEPER
from tests.java.zookeeper import zookeeper
from tests.kafka.broker.choosing import real_is_required

from .servers import StandIn

pytestmark = pytest.mark.anyio
CLUSTER = Cluster("two-replicas")
REPLICAS = ("one", "two")
OTHER_STRUCTURE = 122
"""ClickHouse's error code for a replica whose columns differ from those that stand in Keeper."""

CONFIG = """<clickhouse>
  <zookeeper><node><host>127.0.0.1</host><port>{port}</port></node></zookeeper>
  <macros><shard>01</shard><replica>{replica}</replica></macros>
  <default_replica_path>/clickhouse/tables/{{shard}}/{{database}}/{{table}}</default_replica_path>
  <default_replica_name>{{replica}}</default_replica_name>
</clickhouse>"""


class Overheard(Warehouse):
    """Keeps what is asked of a cluster's warehouse, and does nothing."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("it must not connect"), cluster=CLUSTER)
        self.made: list[str] = []

    async def query(self, sql: str, parameters: Any = None) -> list[Row]:
        return [{"shards": 1}] if "shards" in sql else []

    async def command(self, sql: str, parameters: Any = None) -> None:
        sql = sql.replace(CLUSTER.on_cluster, "")
        if "CREATE" in sql:
            self.made.append(sql)
        elif added := re.match(r"\s*ALTER TABLE (\w+)\s+ADD COLUMN IF NOT EXISTS (.+)", sql):
            # These replicas stay read-only: what is added later they have from the first.
            table, column = added.groups()
            [made] = [
                n for n, one in enumerate(self.made) if re.match(rf"\s*CREATE TABLE IF NOT EXISTS {table}\s", one)
            ]
            self.made[made] = self.made[made].replace("\n)\nENGINE", f",\n    {column}\n)\nENGINE")


async def statements() -> list[str]:
    """What `rollcall migrate` runs on every replica of a cluster."""
    overheard = Overheard()
    await migrate(overheard)
    assert not any("CLUSTER" in sql for sql in overheard.made)
    return overheard.made


def replicated(sql: str) -> str | None:
    """The name of the replicated table that a statement makes, if it makes one."""
    made = re.match(r"\s*CREATE TABLE IF NOT EXISTS (\w+)", sql)
    return made[1] if made and "ENGINE = Replicated" in sql else None


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StandIn]]:
    if not ZOOKEEPER.can_run:
        assert not real_is_required(), "ZooKeeper needs a JDK 17 and Maven"
        pytest.skip("ZooKeeper needs Java and Maven")
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        port = stack.enter_context(zookeeper(folder / "zookeeper"))
        made = []
        for replica in (*REPLICAS, "strange"):
            config = folder / f"{replica}.xml"
            config.write_text(CONFIG.format(port=port, replica=replica))
            one = StandIn(folder / replica, config=config)
            one.start()
            stack.callback(one.kill)
            made.append(one)
        yield made


async def opened(replica: StandIn) -> Warehouse:
    return await open_warehouse(replica.url, "test")


async def test_both_replicas_have_one_schema_and_another_is_refused(replicas: list[StandIn]) -> None:
    made = await statements()
    tables = sorted(table for sql in made if (table := replicated(sql)))
    assert len(tables) > 10

    for number, replica in enumerate(replicas[: len(REPLICAS)], 1):
        warehouse = await opened(replica)
        for sql in made:
            await warehouse.command(sql)
        for sql in made:  # a migration that was cut short begins again
            await warehouse.command(sql)
        rows = await warehouse.query(
            "SELECT table, replica_name, zookeeper_path, toUInt32(total_replicas) AS replicas "
            "FROM system.replicas ORDER BY table"
        )
        path = "/clickhouse/tables/01/default/"
        assert rows == [
            {"table": table, "replica_name": REPLICAS[number - 1], "zookeeper_path": path + table, "replicas": number}
            for table in tables
        ]
        assert await drift(warehouse) == []
        await warehouse.close()

    strange = await opened(replicas[-1])
    for sql in made:
        if table := replicated(sql):
            with pytest.raises(WarehouseUnavailableError) as refused:
                await strange.command(sql.replace("(\n", "(\n    further SimpleAggregateFunction(max, UInt8),\n", 1))
            assert getattr(refused.value.__cause__, "code", None) == OTHER_STRUCTURE, f"{table}: {refused.value}"
    await strange.close()
