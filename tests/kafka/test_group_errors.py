"""A coordinator that cannot say how far a group is must not be taken for one that says: at the beginning."""

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3

from tests.eventlog.contract import read_all
from tests.kafka.place import COUNT, KafkaPlace, filled

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real")]

LOADING, MOVED = 14, 16
"""Kafka's COORDINATOR_LOAD_IN_PROGRESS and NOT_COORDINATOR."""


@pytest.mark.parametrize("error", [LOADING, MOVED])
async def test_a_member_begins_where_the_group_is(
    place: KafkaPlace, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    log = await place.open()
    topic = place.consumed.name
    try:
        await filled(log, topic)
        first = await log.reader(topic, "group")
        await first.commit(await read_all(first, COUNT))
        await first.close()

        asked, send = iter(range(2)), AIOKafkaClient.send

        async def wrong_twice(client: AIOKafkaClient, node: int, request: Any, **more: Any) -> Any:
            if isinstance(request, OffsetFetchRequest) and next(asked, None) is not None:
                return OffsetFetchResponse_v3(0, [], error)
            return await send(client, node, request, **more)

        monkeypatch.setattr(AIOKafkaClient, "send", wrong_twice)
        second = await log.reader(topic, "group")
        assert next(asked, None) is None
        assert await second.read(COUNT, 0.5) == []
        assert (await log.state(topic)).lag == {"group": 0}
    finally:
        await log.close()
