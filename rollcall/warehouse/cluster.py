"""What differs in the SQL of a cluster: where statements run, and which engines tables have.

A cluster is one shard with its replicas: every replica holds everything, and no Distributed table stands in between.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """A ClickHouse cluster, or none.

    Attributes:
        name: As in the server's ``remote_servers``; empty for one server or the embedded engine.
    """

    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.name)

    @property
    def on_cluster(self) -> str:
        """The clause that has a statement run on every replica; empty without a cluster."""
        return f"ON CLUSTER `{self.name}`" if self.name else ""

    def filled(self, statement: str) -> str:
        """Fill the placeholders ``{on_cluster}`` and ``{replicated}`` of a statement.

        The engines name no path in Keeper and no replica: the server's ``default_replica_path`` and
        ``default_replica_name`` say them.
        """
        replicated = "Replicated" if self.name else ""
        return statement.replace("{on_cluster}", self.on_cluster).replace("{replicated}", replicated)

    def everywhere(self, table: str) -> str:
        """Return what to read a system table of all replicas from."""
        return f"clusterAllReplicas(`{self.name}`, {table})" if self.name else table

    def caught_up(self, table: str) -> str:
        """Return the statement that waits until every replica has all parts of a table; empty without a cluster."""
        return f"SYSTEM SYNC REPLICA {self.on_cluster} {table} LIGHTWEIGHT" if self.name else ""
