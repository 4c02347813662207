"""Nobody closes a descriptor that is somebody else's: whole statements beside clients that load a file, in one process.

The door's pipe once had two owners: uvloop's transport closed the number in libuv, and the Python file closed it again.
In between another thread's file, or a client's connection, had been given that number.
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from console.sqldoor import create_door
from rollcall.http.server import serve
from rollcall.warehouse.engines import Embedded

from ..threads import begin
from .house import House

SECONDS = 6.0


@contextmanager
def door_on_uvloop(house: House, sheet: Path) -> Iterator[str]:
    """A door as `up` serves it, with a file beside it; its address."""
    up, loops, ports = threading.Event(), list[asyncio.AbstractEventLoop](), list[int]()
    stop = asyncio.Event()

    async def load(_: Request) -> Response:
        return FileResponse(sheet)

    def ready(port: int) -> None:
        ports.append(port)
        up.set()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        address = Embedded(house.folder / "warehouse")
        door = create_door(address, listen="127.0.0.1:0", unprotected=True, control=[Route("/sheet", load)])
        await serve(door, "127.0.0.1:0", drain_timeout=5.0, ready=ready, stop=stop, connections=256)

    serving = begin(main, up)
    assert up.wait(60)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        serving.join(60)


def test_whole_statements_beside_a_file_that_is_loaded(house: House, tmp_path: Path) -> None:
    sheet = tmp_path / "page.css"
    sheet.write_bytes(os.urandom(50_000))
    whole = sheet.read_bytes()
    with door_on_uvloop(house, sheet) as url:
        end, statements = time.monotonic() + SECONDS, [0, 0]

        def over() -> bool:
            return time.monotonic() >= end and min(statements) > 20

        def load() -> int:
            loaded = 0
            while not over():
                with httpx.Client(trust_env=False, timeout=60) as client:  # a new connection each: a new descriptor
                    assert client.get(f"{url}/sheet").content == whole
                loaded += 1
            return loaded

        def ask(which: int) -> int:
            with httpx.Client(trust_env=False, timeout=60) as client:
                while not over():
                    number = statements[which]
                    assert client.post(url, content=f"SELECT {number}").text == f"{number}\n"
                    statements[which] += 1
            return statements[which]

        def hold() -> int:
            """Open files as the log and the engine do; each must be the same file when it is closed."""
            held = 0
            while not over():
                path = tmp_path / f"held{threading.get_ident()}.{held % 8}"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
                os.write(descriptor, b"mine")
                time.sleep(0.0005)
                assert os.fstat(descriptor).st_ino == path.stat().st_ino, "another file has this number by now"
                os.close(descriptor)
                held += 1
            return held

        with ThreadPoolExecutor(6) as clients:
            work = [clients.submit(one) for one in (load, load, partial(ask, 0), partial(ask, 1), hold, hold)]
            loads, _, asks, _, holds, _ = (one.result() for one in work)
    print(f"{loads} and more style sheets, {asks} and more statements, {holds} and more files, all whole")
