"""What an administrator does at the brokers, by another client than Rollcall's."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

CLUSTER = "kafka-cluster"


def config_of(admin: AdminClient, topic: str) -> Mapping[str, Any]:
    """Return a topic's settings."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result().items()}


def make(admin: AdminClient, topic: str, config: Mapping[str, str], partitions: int = 1) -> None:
    """Make a topic with one copy."""
    admin.create_topics([NewTopic(topic, partitions, 1, config=dict(config))])[topic].result()
    deadline = time.monotonic() + 30
    while topic not in admin.list_topics().topics:  # created, but not told to every broker yet
        assert time.monotonic() < deadline
        time.sleep(0.05)


def remove_before(admin: AdminClient, topic: str, partition: int, offset: int) -> None:
    """Remove the oldest records of a partition, as retention does."""
    [done] = admin.delete_records([TopicPartition(topic, partition, offset)]).values()
    done.result()


def allowed(kind: ResourceType, prefix: str, user: str, *operations: AclOperation) -> Sequence[AclBinding]:
    """Rights to what begins so."""
    pattern = ResourcePatternType.LITERAL if prefix == CLUSTER else ResourcePatternType.PREFIXED
    return [
        AclBinding(kind, prefix, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]


@contextmanager
def rights(admin: AdminClient, *bindings: AclBinding) -> Iterator[None]:
    """Grant rights for a while. Where nobody has any, all have: the first one takes the others from everybody."""
    for done in admin.create_acls(list(bindings)).values():
        done.result()
    try:
        yield
    finally:
        for done in admin.delete_acls([_same(one) for one in bindings]).values():
            done.result()


def _same(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type
    )
