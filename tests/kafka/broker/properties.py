"""Settings of brokers that run on this machine, small and quick."""

from collections.abc import Mapping, Sequence

_QUICK: Mapping[str, object] = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "offsets.topic.num.partitions": 3,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.retention.check.interval.ms": 500,
    "log.initial.task.delay.ms": 500,
    "log.cleaner.enable": "true",
    "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
    "socket.request.max.bytes": 100 * 1024 * 1024,
}


def combined(
    node: int, ports: Sequence[tuple[int, int]], listeners: Mapping[str, int] | None = None
) -> dict[str, object]:
    """Return the settings of a broker that is a controller too.

    Args:
        node: Its number, from 1.
        ports: The client and controller ports of all nodes.
        listeners: Further listeners, name and port; the name is a security protocol.
    """
    client, controller = ports[node - 1]
    names = {"PLAINTEXT": client, **(listeners or {})}
    addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in names.items())
    copies = len(ports)
    return {
        **_QUICK,
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in enumerate(ports, 1)),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": addresses,
        "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in names) + ",CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": min(2, copies),
        "min.insync.replicas": min(2, copies),
    }
