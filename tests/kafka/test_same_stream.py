"""The same recorded webhooks through SQLite and chDB and through Kafka and HTTP: the same user days, byte for byte."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.warehouse import open_warehouse
from simulator.config import SiteConfig
from simulator.hooks.delivery import Announcer, Delivery
from simulator.hooks.sender import Disorder, Sender
from simulator.life.stream import acts
from tests.endtoend.installation import SECRET, Installation
from tests.kafka.installation import OnKafka

pytestmark = pytest.mark.anyio

DISORDER = Disorder(duplicates=0.2, window=100)


@pytest.fixture(scope="module")
def recorded() -> list[Delivery]:
    """A week of a small company."""
    config = SiteConfig(people=25, days=7, hard_cases=True)
    announcer = Announcer(config)
    return [one for act in acts(config, config.start_ms, config.now_ms) for one in announcer.deliveries(act)]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Installation]:
    up = Installation(tmp_path / "embedded")
    try:
        yield up
    finally:
        if up.process:
            up.kill()


async def send(recorded: list[Delivery], url: str, disorder: Disorder) -> None:
    stats = await Sender(url, SECRET, disorder=disorder).send(recorded)
    assert stats.as_json()["lost"] == []


async def user_days(warehouse_url: str) -> bytes:
    warehouse = await open_warehouse(warehouse_url, "a test")
    try:
        return await warehouse.fetch("SELECT * FROM user_days ORDER BY ALL", "RowBinaryWithNamesAndTypes")
    finally:
        await warehouse.close()


async def test_sqlite_with_chdb_and_kafka_with_http_make_the_same_user_days(
    recorded: list[Delivery], on_server: OnKafka, embedded: Installation
) -> None:
    await asyncio.to_thread(on_server.begin)
    on_server.start_consumer()
    await send(recorded, on_server.webhook_url, DISORDER)
    await on_server.finish()
    await asyncio.to_thread(embedded.start)
    await send(recorded, embedded.webhook_url, Disorder())
    await asyncio.to_thread(embedded.wait_until_written)
    assert embedded.stop() == 0, embedded.output

    known = await user_days(f"chdb://{embedded.folder}/warehouse")
    assert len(known) > 2000
    assert await user_days(on_server.warehouse_url) == known
