"""The SQL for a cluster of servers. With none to run it on, it is held to the engine's own parser, and to its order.

`test_replicas` runs the schema on replicas, without ON CLUSTER.
"""

import re
from datetime import date
from typing import Any

import pytest

from console.transfer.importer import staging_table
from console.transfer.tables import transfer_tables
from rollcall.errors import SchemaError
from rollcall.warehouse import Row, Warehouse, migrate, rebuild_days
from rollcall.warehouse.client import Cluster
from rollcall.warehouse.migrations import require_cluster, require_same_tables

pytestmark = pytest.mark.anyio
CLUSTER = Cluster("three-replicas")


class Listening(Warehouse):
    """Says what is asked of it and does nothing."""

    def __init__(self, *, shards: int = 1, torn: bool = False, filled: bool = True) -> None:
        super().__init__(lambda: pytest.fail("it must not connect"), cluster=CLUSTER)
        self.heard: list[str] = []
        self._shards, self._torn, self._filled = shards, torn, filled

    async def query(self, sql: str, parameters: Any = None) -> list[Row]:
        self.heard.append(sql)
        if "shards" in sql:
            return [{"shards": self._shards}]
        if "zookeeper_path" in sql:
            return [{"table": "activity", "paths": 2, "replicas": 3, "hosts": 3}] if self._torn else []
        if "counted" in sql:
            span = {"first_month": None, "last_month": None, "counted": (None, None)}
            return [{"today": date(2026, 11, 27), **span, "seats": 1}]
        return [{"1": 1}] if "staging" in sql and "LIMIT 1" in sql and self._filled else []

    async def command(self, sql: str, parameters: Any = None) -> None:
        self.heard.append(sql)


def created(heard: list[str]) -> list[str]:
    return [sql for sql in heard if "CREATE" in sql]


async def test_every_table_is_replicated_and_every_statement_runs_everywhere(warehouse: Warehouse) -> None:
    listening = Listening()
    await migrate(listening)
    statements = created(listening.heard)
    assert len(statements) > 25
    repeatable = "(OR REPLACE VIEW|[A-Z ]+ IF NOT EXISTS)"
    for sql in statements:
        assert re.match(rf"\s*CREATE {repeatable} \w+ ON CLUSTER `three-replicas`\s", sql), sql
        for engine in re.findall(r"ENGINE = (\w+)", sql):
            assert engine == "Null" or re.fullmatch(r"Replicated\w*MergeTree", engine), sql
        [row] = await warehouse.query("SELECT formatQuery({sql:String}) AS written", {"sql": sql})
        assert "ON CLUSTER `three-replicas`" in row["written"]
    assert sum("MergeTree" in sql for sql in statements) == 29


async def test_without_a_cluster_nothing_of_one_is_left() -> None:
    for sql in ("CREATE TABLE a {on_cluster} ENGINE = {replicated}MergeTree", Cluster().everywhere("system.processes")):
        assert not re.search(r"[{}]|CLUSTER|Replicated|cluster", Cluster().filled(sql))
    assert Cluster().caught_up("activity") == ""
    assert not Cluster()


async def test_a_rebuild_waits_for_all_replicas_before_each_step(warehouse: Warehouse) -> None:
    listening = Listening()
    await rebuild_days(listening, "acme", "Europe/Berlin", [date(2026, 11, 2)])
    short = [re.sub(r"_\d{10}_[0-9a-f]{12}", "", " ".join(sql.split())) for sql in listening.heard[3:]]
    everywhere = "ON CLUSTER `three-replicas`"
    tables = ("user_day_states", "account_month_states", "project_day_states")
    expected = [f"SYSTEM SYNC REPLICA {everywhere} activity LIGHTWEIGHT"]
    for table in tables:
        expected += [
            f"CREATE TABLE {table}_staging {everywhere} AS {table}",
            f"INSERT INTO {table}_staging SELECT",
            f"SYSTEM SYNC REPLICA {everywhere} {table}_staging LIGHTWEIGHT",
        ]
    for table in tables:
        expected += [
            f"SELECT 1 FROM {table}_staging LIMIT 1",
            f"ALTER TABLE {table} REPLACE PARTITION ('acme', 202611) FROM {table}_staging",
        ]
    expected += [
        "SELECT query_id FROM clusterAllReplicas(`three-replicas`, system.processes)",
        f"SYSTEM SYNC REPLICA {everywhere} activity LIGHTWEIGHT",
        *(f"INSERT INTO {table} SELECT" for table in tables),
        f"SYSTEM SYNC REPLICA {everywhere} issue_projects LIGHTWEIGHT",
        "INSERT INTO issue_projects (site, issue_id, word) SELECT",
        *(f"DROP TABLE IF EXISTS {table}_staging {everywhere}" for table in tables),
        # Then what hangs on the states; each step reads what the one before wrote.
        f"SYSTEM SYNC REPLICA {everywhere} account_month_states LIGHTWEIGHT",
    ]
    assert [sql[: len(wanted)] for sql, wanted in zip(short, expected, strict=False)] == expected
    later = short[len(expected) :]
    assert later.index(f"SYSTEM SYNC REPLICA {everywhere} account_rollup LIGHTWEIGHT") < next(
        n for n, sql in enumerate(later) if sql.startswith("INSERT INTO headcount_rollup")
    )
    for sql in short:
        await warehouse.query("SELECT formatQuery({sql:String})", {"sql": sql})


async def test_an_import_stages_on_all_replicas(warehouse: Warehouse) -> None:
    listening = Listening()
    async with staging_table(listening, transfer_tables()[1]):
        pass
    making, dropping = listening.heard
    assert "ON CLUSTER `three-replicas` AS activity ENGINE = ReplicatedMergeTree" in making
    assert dropping.endswith("ON CLUSTER `three-replicas`")
    await warehouse.query("SELECT formatQuery({sql:String})", {"sql": making})


@pytest.mark.parametrize(("shards", "said"), [(0, "knows no cluster"), (2, "has 2 shards")])
async def test_a_cluster_that_cannot_hold_our_tables_is_refused(shards: int, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        await require_cluster(Listening(shards=shards))


async def test_a_table_that_is_another_on_one_replica_is_named() -> None:
    with pytest.raises(SchemaError, match="activity"):
        await require_same_tables(Listening(torn=True))


async def test_the_questions_about_replicas_can_be_asked(warehouse: Warehouse) -> None:
    listening = Listening()
    await require_cluster(listening)
    await require_same_tables(listening)
    for sql in listening.heard:
        await warehouse.query("SELECT formatQuery({sql:String})", {"sql": sql})
