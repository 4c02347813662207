"""The event log on many machines: Kafka's own partitions, replicas and consumer groups, through aiokafka.

What aiokafka keeps private and this log needs all the same is in `_aiokafka`, and nowhere else.
"""

from rollcall.eventlog.kafka.log import KafkaLog, open_kafka_log

__all__ = ["KafkaLog", "open_kafka_log"]
