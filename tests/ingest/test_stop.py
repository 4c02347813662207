"""A stop loses no webhook: those in flight are answered first."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from rollcall.errors import RollcallError, SettingsError
from rollcall.http.server import serve
from rollcall.settings import Settings

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import served
from .test_durable import read_back
from .test_limits import eventually

ROOT = Path(__file__).parents[2]
IN_FLIGHT = 8


def body(number: int) -> bytes:
    return encoded(comment("comment_created", id=number))


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return True
    return False


def test_webhooks_in_flight_are_answered_before_the_end() -> None:
    memory = MemoryLog()

    async def opened(_: Settings) -> MemoryLog:
        return memory

    with ThreadPoolExecutor(IN_FLIGHT) as pool, served(opened) as server:
        memory.held.set()
        answers = [pool.submit(server.post, body(number)) for number in range(1, IN_FLIGHT + 1)]
        eventually(lambda: memory.waiting == IN_FLIGHT)
        server.stop()
        eventually(lambda: refuses_connections(server.port))
        memory.held.clear()
        assert [answer.result().status_code for answer in answers] == [204] * IN_FLIGHT
        server.thread.join(30)
        assert memory.closed
    assert {fact.event_key for fact in memory.facts} == {
        f"comment:{number}:created" for number in range(1, IN_FLIGHT + 1)
    }


def test_webhooks_that_outlast_the_drain_are_answered_503() -> None:
    memory = MemoryLog()

    async def opened(_: Settings) -> MemoryLog:
        return memory

    with ThreadPoolExecutor(2) as pool, served(opened, drain_timeout=0.01, append_timeout=600) as server:
        memory.held.set()
        answers = [pool.submit(server.post, body(number)) for number in range(2)]
        eventually(lambda: memory.waiting == 2)
        server.stop()
        for answer in answers:
            assert (answer.result().status_code, answer.result().json()) == (503, {"error": "stopping"})
            assert answer.result().headers["retry-after"] == "30"
        server.thread.join(30)
        assert memory.closed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_leaves_the_exit_status_to_the_caller(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.held_server", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")},
    )
    assert process.stdout is not None
    with process, ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            port = int(process.stdout.readline().split()[1])
            url = f"http://127.0.0.1:{port}/webhooks/lax"
            answers = [pool.submit(httpx.post, url, content=body(each), timeout=60) for each in range(1, IN_FLIGHT + 1)]
            for _ in range(IN_FLIGHT):
                assert process.stdout.readline() == "append\n"
            process.send_signal(number)
            eventually(lambda: refuses_connections(port))
            (tmp_path / "go").touch()
            assert [answer.result().status_code for answer in answers] == [204] * IN_FLIGHT
            assert process.stdout.readline() == "closed\n"
            assert process.wait(60) == 7
        finally:
            process.kill()
    facts, _ = read_back(tmp_path)
    assert {fact.event_key for fact in facts} == {f"comment:{each}:created" for each in range(1, IN_FLIGHT + 1)}


def test_a_cancelled_server_drains_as_well() -> None:
    async def run() -> int:
        asked, go = asyncio.Event(), asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            asked.set()
            await go.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app = Starlette()
        app.mount("/", slow)
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(app, "127.0.0.1:0", drain_timeout=20, ready=port.set_result))
        async with httpx.AsyncClient() as client:
            answer = asyncio.create_task(client.get(f"http://127.0.0.1:{await port}/"))
            await asked.wait()
            serving.cancel()
            await asyncio.sleep(0)
            go.set()
            status = (await answer).status_code
        with pytest.raises(asyncio.CancelledError):
            await serving
        return status

    assert asyncio.run(run()) == 204


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"listen: cannot listen on {address}"):
            asyncio.run(serve(Starlette(), address, drain_timeout=1))


def test_an_application_that_cannot_start_is_an_error_not_an_exit() -> None:
    def broken(_: Starlette) -> Any:
        raise OSError("no")

    with pytest.raises(RollcallError, match="could not start"):
        asyncio.run(serve(Starlette(lifespan=broken), "127.0.0.1:0", drain_timeout=1))


def test_ipv6() -> None:
    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        await serve(Starlette(), "[::1]:0", drain_timeout=1, stop=stop)

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    asyncio.run(run())
