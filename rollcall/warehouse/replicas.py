"""What a cluster must be for our tables: there, of one shard, and every table one table on all replicas."""

from rollcall.errors import SchemaError
from rollcall.warehouse.client import Warehouse


async def require_cluster(warehouse: Warehouse) -> None:
    """Raise SchemaError unless the cluster of the settings, if any, is there and has one shard.

    With more shards a fact would be on one of them only, and every view would tell of a part.
    """
    if not warehouse.cluster:
        return
    rows = await warehouse.query(
        "SELECT uniqExact(shard_num) AS shards FROM system.clusters WHERE cluster = {name:String}",
        {"name": warehouse.cluster.name},
    )
    shards = rows[0]["shards"]
    if shards == 0:
        raise SchemaError(
            f"warehouse.cluster: the server knows no cluster {warehouse.cluster.name}; "
            "system.clusters lists those it knows"
        )
    if shards > 1:
        raise SchemaError(
            f"warehouse.cluster: {warehouse.cluster.name} has {shards} shards; Rollcall needs a cluster of one shard, "
            "whose replicas hold everything"
        )


async def require_same_tables(warehouse: Warehouse) -> None:
    """Raise SchemaError when a table of ours is not one replicated table on all replicas of the cluster.

    A migration that was cut short and run again can leave a replica with a table of the same name and another path in
    Keeper: it looks right and never gets what the others have.
    """
    if not warehouse.cluster:
        return
    rows = await warehouse.query(
        "SELECT table, uniqExact(zookeeper_path) AS paths, count() AS replicas, "  # noqa: S608 - our own setting
        "(SELECT count() FROM system.clusters WHERE cluster = {name:String}) AS hosts "
        f"FROM {warehouse.cluster.everywhere('system.replicas')} "
        "WHERE database = currentDatabase() GROUP BY table HAVING paths > 1 OR replicas != hosts ORDER BY table",
        {"name": warehouse.cluster.name},
    )
    if rows:
        named = ", ".join(f"{row['table']} ({row['replicas']} of {row['hosts']} replicas)" for row in rows)
        raise SchemaError(
            f"not one table on all replicas of cluster {warehouse.cluster.name}: {named}. Drop it where it stands "
            "alone, and run rollcall migrate again; docs/clickhouse.md tells how"
        )
