"""The event log on many machines: Kafka's own partitions, replicas and consumer groups, through aiokafka.

All that this log needs of aiokafka beyond its documented interface is in `_aiokafka`: its table `PRIVATE` lists it.
"""

from rollcall.eventlog.kafka.log import KafkaLog, open_kafka_log

__all__ = ["KafkaLog", "open_kafka_log"]
