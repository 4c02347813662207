"""The frame of every fault: webhooks all the while, and at the end everything written and compared."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.endtoend.oracle import assert_stored
from tests.kafka.installation import OnKafka
from tests.kafka.load import Load
from tests.kafka.report import Report


@asynccontextmanager
async def under_load(on_kafka: OnKafka, report: Report, senders: int = 8) -> AsyncIterator[Load]:
    """Post webhooks to an installation that runs; then let all be written, and compare it with what was answered."""
    load = Load(on_kafka.webhook_url, report, senders)
    async with load.posting():
        yield load
    await finished(on_kafka, load)


async def finished(on_kafka: OnKafka, load: Load) -> None:
    """Nothing is sent any more: let all of it be written, and compare."""
    await on_kafka.finish()
    load.assert_answers_were_proper()
    await assert_stored(on_kafka.warehouse_url, load.accepted, load.sent)
