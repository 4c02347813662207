"""A single broker on this machine, with an open listener and guarded ones."""

from pathlib import Path

from tests.kafka.broker.certificates import make_certificates
from tests.kafka.broker.guards import GUARDED, guard_properties, user_options
from tests.kafka.broker.java import JavaBroker
from tests.kafka.broker.properties import combined
from tests.kafka.broker.rights import AUTHORIZER
from tests.ports import free_ports


def single_broker(folder: Path) -> JavaBroker:
    """Return a broker, not started."""
    certificates = make_certificates(folder.with_name(folder.name + "-certificates"))
    client, controller, *others = free_ports(2 + len(GUARDED))
    listeners = dict(zip(GUARDED, others, strict=True))
    guarded = guard_properties(certificates)
    properties = {**combined(1, [(client, controller)], listeners), **guarded, **AUTHORIZER}
    broker = JavaBroker(folder, client, properties, *user_options())
    broker.listeners = listeners
    broker.certificates = certificates
    return broker
