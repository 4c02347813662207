"""The Kafka log keeps the contract."""

import pytest

from tests.eventlog.contract import EventLogContract
from tests.kafka.broker.choosing import Chosen

BEYOND_A_MOCK = {
    "test_two_readers_of_a_group_miss_nothing": "the mock shares partitions out only after many seconds",
    "test_lag_counts_what_a_group_did_not_commit": "the mock does not tell how many bytes a topic has",
}


class TestKafka(EventLogContract):
    """With the fixture `place` of this folder."""

    @pytest.fixture(autouse=True)
    def _as_far_as_the_broker_can(self, request: pytest.FixtureRequest, kafka: Chosen) -> None:
        if not kafka.real and (why := BEYOND_A_MOCK.get(request.function.__name__)):
            pytest.skip(why)
