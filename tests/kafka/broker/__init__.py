"""Brokers for tests: one given by address, in Docker, from Apache's own jars, or librdkafka's mock."""
