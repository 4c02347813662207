"""The Kafka log against a broker; see `broker` for which one."""
