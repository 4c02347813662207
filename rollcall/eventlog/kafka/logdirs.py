"""How much of the brokers' disks a topic takes: a question of Kafka's that aiokafka has no words for."""

from typing import Any, TypeAlias

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Int64, Schema, String


class DescribeLogDirsResponse_v1(Response):  # type: ignore[misc]  # noqa: N801  # aiokafka is not typed, and names so
    """Sizes of replicas, by folder, topic and partition."""

    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "log_dirs",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("name", String("utf-8")),
                        (
                            "partitions",
                            Array(("partition", Int32), ("size", Int64), ("offset_lag", Int64), ("is_future", Boolean)),
                        ),
                    ),
                ),
            ),
        ),
    )


class DescribeLogDirsRequest_v1(RequestStruct):  # type: ignore[misc]  # noqa: N801  # as above
    """Asks one broker."""

    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = DescribeLogDirsResponse_v1
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


_Struct: TypeAlias = DescribeLogDirsRequest_v1


class DescribeLogDirsRequest(Request[_Struct]):  # type: ignore[misc]  # aiokafka is not typed
    """Asks one broker for the size of its copies of a topic's partitions."""

    API_KEY = 35

    def __init__(self, topic: str, partitions: list[int]) -> None:
        self._topic = topic
        self._partitions = partitions

    def build(self, request_struct_class: type[_Struct]) -> Any:
        """Return the request in the version that was agreed on."""
        return request_struct_class([(self._topic, self._partitions)])


def sizes(answer: Any, topic: str) -> dict[int, int]:
    """Return the bytes of each partition's copy at the broker that answered; none that it may not tell."""
    return {
        partition: size
        for _, _, topics in answer.log_dirs
        for name, partitions in topics
        for partition, size, _, is_future in partitions
        if name == topic and not is_future
    }
