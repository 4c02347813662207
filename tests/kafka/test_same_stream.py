"""The same webhooks through SQLite and through Kafka make the same user days, byte for byte."""

import asyncio
from pathlib import Path

import httpx
import pytest

from rollcall.warehouse import open_warehouse
from tests.endtoend.installation import Installation, signature
from tests.endtoend.webhooks import comment_created
from tests.kafka.installation import OnKafka

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(170)]

WEBHOOKS = 400


async def post_all(url: str) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        for number in range(1, WEBHOOKS, 20):
            bodies = [comment_created(n)[1] for n in range(number, number + 20)]
            answers = await asyncio.gather(*(client.post(url, content=b, headers=signature(b)) for b in bodies))
            assert {answer.status_code for answer in answers} == {httpx.codes.NO_CONTENT}


async def user_days(folder: Path) -> str:
    warehouse = await open_warehouse(f"chdb://{folder}/warehouse", "a test")
    try:
        columns = await warehouse.query("SELECT name FROM system.columns WHERE table = 'user_days' ORDER BY name")
        names = ", ".join(row["name"] for row in columns)
        return "\n".join(map(repr, await warehouse.query(f"SELECT {names} FROM user_days ORDER BY ALL")))
    finally:
        await warehouse.close()


async def test_sqlite_and_kafka_make_the_same_user_days(on_kafka: OnKafka, tmp_path: Path) -> None:
    await asyncio.to_thread(on_kafka.begin)
    await post_all(on_kafka.webhook_url)
    await on_kafka.finish()
    up = Installation(tmp_path / "embedded")
    try:
        await asyncio.to_thread(up.start)
        await post_all(up.webhook_url)
        await asyncio.to_thread(up.wait_until_written)
        assert up.stop() == 0, up.output
    finally:
        if up.process:
            up.kill()
    embedded = await user_days(tmp_path / "embedded")
    assert embedded.count("\n") >= 40
    assert await user_days(tmp_path) == embedded
