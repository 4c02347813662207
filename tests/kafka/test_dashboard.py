"""The page as a process of its own, on Kafka and a server: it shows what is counted, and says what is away."""

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.endtoend.installation import PATIENCE, rollcall
from tests.endtoend.webhooks import Told
from tests.kafka.broker.java import JavaBroker
from tests.kafka.installation import OnKafka
from tests.ports import free_port
from tests.warehouse.servers import StandIn

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"
PERSON = '<tr role="row" data-account='
"""How a row of the page's table of people begins."""


@pytest.fixture
async def page(on_server: OnKafka) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of the page of an installation whose parts all run."""
    on_server.add_settings(f'[page]\nlisten = "127.0.0.1:{(port := free_port())}"\npassword = "{PASSWORD}"')
    await asyncio.to_thread(on_server.begin)
    command = rollcall("dashboard", "--config", str(on_server.config))
    with (on_server.folder / "up.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=address, timeout=60, auth=("anybody", PASSWORD)) as client:
                await until(client, "/healthz", lambda answer: answer.status_code == httpx.codes.OK)
                yield client
            process.terminate()
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0, on_server.output
        finally:
            process.kill()


async def until(client: httpx.AsyncClient, path: str, fine: Callable[[httpx.Response], object]) -> httpx.Response:
    async with asyncio.timeout(60):
        while True:
            try:
                if fine(answer := await client.get(path)):
                    return answer
            except httpx.ConnectError:
                pass
            await asyncio.sleep(0.2)


async def test_it_counts_and_says_what_is_away(
    page: httpx.AsyncClient, on_server: OnKafka, killable: JavaBroker, server: StandIn
) -> None:
    now = time.time_ns() // 1_000_000

    def post(numbers: range) -> None:
        assert {on_server.post(Told(number, "comment", now).body) for number in numbers} == {204}

    await asyncio.to_thread(post, range(1, 11))
    await on_server.caught_up()
    await until(page, "/", lambda answer: answer.text.count(PERSON) == 10)

    server.kill()
    await asyncio.to_thread(post, range(11, 21))
    await until(page, "/live", lambda answer: 'id="waiting" data-value="10"' in answer.text)
    await until(page, "/", lambda answer: answer.status_code == 503)
    assert (await page.get("/readyz")).json()["log"] == "ok"
    assert (await page.get("/readyz")).json()["warehouse"] != "ok"
    await asyncio.to_thread(server.start)
    await until(page, "/live", lambda answer: 'id="waiting" data-value="0"' in answer.text)

    on_server.kill_consumer()
    await asyncio.to_thread(post, range(21, 31))
    await until(page, "/live", lambda answer: 'id="waiting" data-value="10"' in answer.text)
    async with asyncio.timeout(60):
        for url in (on_server.url, str(page.base_url).rstrip("/")):  # whoever is asked for metrics knows
            while await on_server.facts_waiting(url) != 10:
                await asyncio.sleep(0.2)
    on_server.start_consumer()
    await until(page, "/live", lambda answer: 'id="waiting" data-value="0"' in answer.text)

    killable.kill()
    await until(
        page, "/live", lambda answer: re.search(r'class="bad"><dt>Event log</dt><dd id="log">.*Kafka', answer.text)
    )
    await until(page, "/readyz", lambda answer: answer.json()["log"] != "ok")
    await asyncio.to_thread(killable.start)
    await until(page, "/readyz", lambda answer: answer.status_code == httpx.codes.OK)
    await until(page, "/", lambda answer: answer.text.count(PERSON) == 30)
